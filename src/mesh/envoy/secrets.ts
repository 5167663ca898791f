import type { WorkloadCertificate } from '../certificates/workload.ts';
import type { ProxyFiles } from './files.ts';
import { discoveryFile } from './files.ts';
import { secretFiles, secretNames } from './transport.ts';

/**
 * The proxy's certificate and key, and the roots it trusts (PEM), as two SDS files. Certificate and key travel in one file, so that a rotation
 * is one rename and the two never disagree. The files hold the private key: ProxyFilesWriter writes every file with mode 0600.
 */
export function secretsFiles(
  certificate: Pick<WorkloadCertificate, 'certificateChainPem' | 'privateKeyPem'>,
  trustBundlePem: string,
): ProxyFiles {
  return {
    [secretFiles.identity]: discoveryFile([
      {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
        name: secretNames.identity,
        tls_certificate: {
          certificate_chain: { inline_string: certificate.certificateChainPem },
          private_key: { inline_string: certificate.privateKeyPem },
        },
      },
    ]),
    [secretFiles.trust]: discoveryFile([
      {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
        name: secretNames.trust,
        validation_context: { trusted_ca: { inline_string: trustBundlePem } },
      },
    ]),
  };
}
