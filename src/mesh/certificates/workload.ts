import { UserError } from '../../base/errors.ts';
import type { CertificateAuthority } from './authority.ts';
import { parseSpiffeId } from './spiffe-id.ts';
import { backdateMs, exportPrivateKey, generateKeys, loadX509, randomSerial, withNewline } from './x509.ts';

/** What a proxy presents. `privateKeyPem` is secret. */
export interface WorkloadCertificate {
  readonly spiffeId: string;
  /** The leaf alone: the root signs it directly and is what the other side trusts already. PEM, ends in a newline. */
  readonly certificateChainPem: string;
  /** PKCS#8 in PEM. */
  readonly privateKeyPem: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * Issues a certificate with a new key for a workload, valid from a little before `now` for `lifetimeMs` milliseconds, but not past its authority's
 * end. As in Istio: empty subject, therefore a critical SAN with the SPIFFE URI alone; for servers and clients. An elliptic key signs and
 * does not encipher (RFC 5480 §3), so digitalSignature is its only usage.
 * Throws UserError CERTIFICATE_AUTHORITY if `spiffeId` is not of the authority's trust domain, or if the authority has expired.
 */
export async function issueWorkloadCertificate(
  authority: CertificateAuthority,
  options: { readonly spiffeId: string; readonly now: Date; readonly lifetimeMs: number },
): Promise<WorkloadCertificate> {
  const id = parseSpiffeId(options.spiffeId);
  if (id === null || id.trustDomain !== authority.trustDomain) {
    throw refused(
      `its identity is not spiffe://${authority.trustDomain}/ns/NAMESPACE/sa/ACCOUNT`,
      options.spiffeId,
      'Use the trust domain of the mesh.',
    );
  }
  if (authority.notAfter <= options.now) {
    throw refused(
      'the authority has expired',
      authority.notAfter.toISOString(),
      'Stop the lab and start it again: it makes a new authority.',
    );
  }
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(authority.certificatePem);
  const keys = await generateKeys();
  const end = Math.min(options.now.getTime() + options.lifetimeMs, authority.notAfter.getTime());
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    issuer: issuer.subjectName,
    notBefore: new Date(Math.max(options.now.getTime() - backdateMs, authority.notBefore.getTime())),
    notAfter: new Date(end),
    publicKey: keys.publicKey,
    signingKey: authority.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: options.spiffeId }], true),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return {
    spiffeId: options.spiffeId,
    certificateChainPem: withNewline(certificate.toString('pem')),
    privateKeyPem: await exportPrivateKey(keys.privateKey),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
  };
}

/**
 * Milliseconds from `now` until a certificate should be replaced: at half of its life, as istio-agent does, so that a control plane
 * that is away for a while does no harm. 0 if that moment has passed.
 */
export function rotationDelay(notBefore: Date, notAfter: Date, now: Date): number {
  return Math.max(0, (notBefore.getTime() + notAfter.getTime()) / 2 - now.getTime());
}

function refused(why: string, value: string, cure: string): UserError {
  return new UserError('CERTIFICATE_AUTHORITY', `Cannot issue a workload certificate because ${why}: ${value}`, { cure });
}
