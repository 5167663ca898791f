import type { webcrypto } from 'node:crypto';

/** ECDSA on P-256 with SHA-256: what Envoy, Go and Node all speak, and fast to generate. */
export const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;

/** How far certificates reach back, in milliseconds, so that a clock a little behind accepts them. Istio's value. */
export const backdateMs = 120_000;

/** Loads the X.509 library, which is heavy and wants a global of reflect-metadata, on first use. */
export async function loadX509(): Promise<typeof import('@peculiar/x509')> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/** A new key pair; the private key can be exported. */
export async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return globalThis.crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
}

/** A positive serial number of 126 random bits in hexadecimal; RFC 5280 allows 20 octets, CA/Browser rules ask for 64 random bits. */
export function randomSerial(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  // The top bit is the sign in DER, and a leading zero would be cut off.
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

/** A private key as PKCS#8 in PEM. */
export async function exportPrivateKey(key: webcrypto.CryptoKey): Promise<string> {
  const { PemConverter } = await loadX509();
  const pem = PemConverter.encode(await globalThis.crypto.subtle.exportKey('pkcs8', key), PemConverter.PrivateKeyTag);
  return withNewline(pem);
}

/** PEM ends in a newline, so that several can be put together. */
export function withNewline(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`;
}
