import type { webcrypto } from 'node:crypto';
import { UserError } from '../../base/errors.ts';
import { backdateMs, exportPrivateKey, generateKeys, keyAlgorithm, loadX509, randomSerial, withNewline } from './x509.ts';

/** The lab's certificate authority: one self-signed root. Its certificate is what proxies trust. */
export interface CertificateAuthority {
  readonly trustDomain: string;
  /** PEM, ends in a newline. */
  readonly certificatePem: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly privateKey: webcrypto.CryptoKey;
}

/** An authority at rest. `privateKeyPem` is secret: write it with mode 0600. */
export interface StoredAuthority {
  readonly trustDomain: string;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/**
 * Makes a new authority, valid from a little before `now` for `lifetimeMs` milliseconds. Subject and extensions follow Istio's self-signed CA:
 * organisation = trust domain; CA, path length 0; may sign certificates and revocation lists and nothing else.
 */
export async function createAuthority(options: {
  readonly trustDomain: string;
  readonly now: Date;
  readonly lifetimeMs: number;
}): Promise<CertificateAuthority> {
  const x509 = await loadX509();
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: [{ O: [options.trustDomain] }],
    notBefore: new Date(options.now.getTime() - backdateMs),
    notAfter: new Date(options.now.getTime() + options.lifetimeMs),
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    trustDomain: options.trustDomain,
    certificatePem: withNewline(certificate.toString('pem')),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    privateKey: keys.privateKey,
  };
}

/** The authority in a form that can be written to a file. */
export async function storeAuthority(authority: CertificateAuthority): Promise<StoredAuthority> {
  return {
    trustDomain: authority.trustDomain,
    certificatePem: authority.certificatePem,
    privateKeyPem: await exportPrivateKey(authority.privateKey),
  };
}

/**
 * Reads a stored authority back. Throws UserError CERTIFICATE_AUTHORITY if certificate or key cannot be read, if they do not belong together,
 * if the certificate has expired at `now`, or if it is not one of an authority.
 */
export async function restoreAuthority(stored: StoredAuthority, now: Date): Promise<CertificateAuthority> {
  const x509 = await loadX509();
  const { subtle } = globalThis.crypto;
  const readCertificate = () => new x509.X509Certificate(stored.certificatePem);
  const certificate = await read('its certificate cannot be read', readCertificate);
  const privateKey = await read('its private key cannot be read', () =>
    subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(stored.privateKeyPem), keyAlgorithm, true, ['sign']),
  );
  if (certificate.getExtension(x509.BasicConstraintsExtension)?.ca !== true)
    throw damaged('its certificate is not that of an authority', certificate.subject);
  if (certificate.notAfter <= now) throw damaged('its certificate has expired', certificate.notAfter.toISOString());
  const proof = new TextEncoder().encode(certificate.serialNumber);
  const signature = await subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, proof);
  const publicKey = await read('its public key cannot be read', () => certificate.publicKey.export(keyAlgorithm, ['verify']));
  if (!(await subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, publicKey, signature, proof))) {
    throw damaged('its private key is not the one of its certificate', `serial ${certificate.serialNumber}`);
  }
  return {
    trustDomain: stored.trustDomain,
    certificatePem: withNewline(certificate.toString('pem')),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    privateKey,
  };
}

async function read<T>(why: string, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw damaged(why, error instanceof Error ? error.message : String(error), error);
  }
}

function damaged(why: string, value: string, cause?: unknown): UserError {
  return new UserError('CERTIFICATE_AUTHORITY', `Cannot use the stored certificate authority because ${why}: ${value}`, {
    cure: 'Remove the stored authority; a new one is made at the next start, and every proxy gets new certificates.',
    ...(cause === undefined ? {} : { cause }),
  });
}
