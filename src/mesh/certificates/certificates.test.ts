import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { connect, createServer } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CertificateAuthority } from './authority.ts';
import { createAuthority, restoreAuthority, storeAuthority } from './authority.ts';
import { formatSpiffeId, parseSpiffeId } from './spiffe-id.ts';
import type { WorkloadCertificate } from './workload.ts';
import { issueWorkloadCertificate, rotationDelay } from './workload.ts';

const day = 86_400_000;
const now = new Date('2026-03-01T12:00:00Z');
const sleepId = 'spiffe://cluster.local/ns/demo/sa/sleep';

let authority: CertificateAuthority;
let leaf: WorkloadCertificate;
beforeAll(async () => {
  authority = await createAuthority({ trustDomain: 'cluster.local', now, lifetimeMs: 365 * day });
  leaf = await issueWorkloadCertificate(authority, { spiffeId: sleepId, now, lifetimeMs: day });
});

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function openssl(files: Record<string, string>, ...args: string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-certificates-'));
  directories.push(directory);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content, { mode: 0o600 });
  return execFileSync('openssl', args, { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

describe('createAuthority()', () => {
  it('createAuthority() makes a root that openssl accepts when a leaf is verified against it', () => {
    const files = { 'ca.pem': authority.certificatePem, 'leaf.pem': leaf.certificateChainPem };
    const at = String(now.getTime() / 1000);
    const verify = ['verify', '-x509_strict', '-attime', at, '-CAfile', 'ca.pem'];
    expect(openssl(files, ...verify, '-purpose', 'sslserver', 'leaf.pem')).toBe('leaf.pem: OK\n');
    expect(openssl(files, ...verify, '-purpose', 'sslclient', 'leaf.pem')).toBe('leaf.pem: OK\n');
  });

  it('createAuthority() makes a root that may only sign when openssl shows it', () => {
    const text = openssl({ 'ca.pem': authority.certificatePem }, 'x509', '-in', 'ca.pem', '-noout', '-text');
    expect(text).toMatch(/X509v3 Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
    expect(text).toMatch(/X509v3 Key Usage: critical\s+Certificate Sign, CRL Sign\n/);
    expect(text).toMatch(/Subject: O = cluster\.local/);
  });

  it('createAuthority() draws another serial and key each time', async () => {
    const other = await createAuthority({ trustDomain: 'cluster.local', now, lifetimeMs: day });
    const [a, b] = [new X509Certificate(authority.certificatePem), new X509Certificate(other.certificatePem)];
    expect(a.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
    expect(a.serialNumber).not.toBe(b.serialNumber);
    expect(b.verify(a.publicKey)).toBe(false);
  });
});

describe('issueWorkloadCertificate()', () => {
  it('issueWorkloadCertificate() puts the identity in a critical SAN and nowhere else when it issues', () => {
    const text = openssl({ 'leaf.pem': leaf.certificateChainPem }, 'x509', '-in', 'leaf.pem', '-noout', '-text');
    expect(text).toMatch(/X509v3 Subject Alternative Name: critical\s+URI:spiffe:\/\/cluster\.local\/ns\/demo\/sa\/sleep\n/);
    expect(text).toMatch(/Subject: *\n/);
    expect(text).toMatch(/X509v3 Key Usage: critical\s+Digital Signature\n/);
    expect(text).toMatch(/X509v3 Extended Key Usage: *\n\s+TLS Web Server Authentication, TLS Web Client Authentication\n/);
    expect(text).toMatch(/X509v3 Basic Constraints: critical\s+CA:FALSE/);
  });

  it('issueWorkloadCertificate() gives certificate and key that belong together, backdated by two minutes', () => {
    const files = { 'leaf.pem': leaf.certificateChainPem, 'key.pem': leaf.privateKeyPem };
    expect(openssl(files, 'pkey', '-in', 'key.pem', '-pubout')).toBe(openssl(files, 'x509', '-in', 'leaf.pem', '-noout', '-pubkey'));
    expect(leaf.notBefore).toEqual(new Date('2026-03-01T11:58:00Z'));
    expect(leaf.notAfter).toEqual(new Date('2026-03-02T12:00:00Z'));
  });

  it('issueWorkloadCertificate() ends with its authority when the lifetime would be longer', async () => {
    const long = await issueWorkloadCertificate(authority, { spiffeId: sleepId, now, lifetimeMs: 1000 * day });
    expect(long.notAfter).toEqual(authority.notAfter);
  });

  it('issueWorkloadCertificate() refuses when the identity is of another trust domain or no identity', async () => {
    for (const spiffeId of [
      'spiffe://evil.local/ns/demo/sa/sleep',
      'https://cluster.local/ns/demo/sa/sleep',
      'spiffe://cluster.local/ns/demo/sa/a/b',
    ]) {
      await expect(issueWorkloadCertificate(authority, { spiffeId, now, lifetimeMs: day })).rejects.toMatchObject({
        code: 'CERTIFICATE_AUTHORITY',
      });
    }
  });

  it('issueWorkloadCertificate() refuses when the authority has expired', async () => {
    const later = new Date(now.getTime() + 366 * day);
    await expect(issueWorkloadCertificate(authority, { spiffeId: sleepId, now: later, lifetimeMs: day })).rejects.toThrow(
      'Cannot issue a workload certificate because the authority has expired: 2027-03-01T12:00:00.000Z',
    );
  });

  it('issueWorkloadCertificate() serves mutual TLS when both sides present and verify', async () => {
    const real = new Date();
    const ca = await createAuthority({ trustDomain: 'cluster.local', now: real, lifetimeMs: day });
    const [server, client] = await Promise.all(
      ['httpbin', 'sleep'].map((serviceAccount) =>
        issueWorkloadCertificate(ca, {
          spiffeId: formatSpiffeId({ trustDomain: 'cluster.local', namespace: 'demo', serviceAccount }),
          now: real,
          lifetimeMs: day,
        }),
      ),
    );
    if (server === undefined || client === undefined) throw new Error('two certificates');
    const listener = createServer({
      key: server.privateKeyPem,
      cert: server.certificateChainPem,
      ca: ca.certificatePem,
      requestCert: true,
    });
    const sans = new Promise<string | undefined>((resolve) => {
      listener.on('secureConnection', (socket: TLSSocket) => {
        resolve(socket.authorized ? socket.getPeerCertificate().subjectaltname : undefined);
        socket.end();
      });
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const address = listener.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const socket = connect({
      host: '127.0.0.1',
      port: address.port,
      key: client.privateKeyPem,
      cert: client.certificateChainPem,
      ca: ca.certificatePem,
      checkServerIdentity: (_host, peer) =>
        peer.subjectaltname === 'URI:spiffe://cluster.local/ns/demo/sa/httpbin' ? undefined : new Error('wrong server'),
    });
    try {
      expect(await sans).toBe('URI:spiffe://cluster.local/ns/demo/sa/sleep');
      expect(socket.authorized).toBe(true);
    } finally {
      socket.destroy();
      listener.close();
    }
  });
});

describe('restoreAuthority()', () => {
  it('restoreAuthority() issues certificates of the same root when it reads what storeAuthority() wrote', async () => {
    const restored = await restoreAuthority(JSON.parse(JSON.stringify(await storeAuthority(authority))), now);
    expect(restored.certificatePem).toBe(authority.certificatePem);
    const issued = await issueWorkloadCertificate(restored, { spiffeId: sleepId, now, lifetimeMs: day });
    expect(new X509Certificate(issued.certificateChainPem).verify(new X509Certificate(authority.certificatePem).publicKey)).toBe(true);
  });

  it('restoreAuthority() refuses with the reason when what is stored cannot serve', async () => {
    const stored = await storeAuthority(authority);
    const other = await storeAuthority(await createAuthority({ trustDomain: 'cluster.local', now, lifetimeMs: day }));
    const refusal = (message: RegExp) =>
      expect.objectContaining({ code: 'CERTIFICATE_AUTHORITY', message: expect.stringMatching(message) });
    await expect(restoreAuthority({ ...stored, certificatePem: 'nonsense' }, now)).rejects.toEqual(refusal(/certificate cannot be read/));
    await expect(restoreAuthority({ ...stored, privateKeyPem: '' }, now)).rejects.toEqual(refusal(/private key cannot be read/));
    await expect(restoreAuthority({ ...stored, privateKeyPem: other.privateKeyPem }, now)).rejects.toEqual(
      refusal(/not the one of its certificate/),
    );
    await expect(restoreAuthority(stored, authority.notAfter)).rejects.toEqual(refusal(/has expired: 2027-03-01/));
    const asLeaf = { trustDomain: 'cluster.local', certificatePem: leaf.certificateChainPem, privateKeyPem: leaf.privateKeyPem };
    await expect(restoreAuthority(asLeaf, now)).rejects.toEqual(refusal(/not that of an authority/));
  });
});

describe('rotationDelay()', () => {
  it('rotationDelay() ends at half of the life when the certificate is new', () => {
    expect(rotationDelay(new Date(0), new Date(1000), new Date(100))).toBe(400);
  });

  it('rotationDelay() is zero when half of the life has passed', () => {
    expect(rotationDelay(new Date(0), new Date(1000), new Date(501))).toBe(0);
    expect(rotationDelay(new Date(0), new Date(1000), new Date(5000))).toBe(0);
  });
});

describe('parseSpiffeId()', () => {
  it('parseSpiffeId() reads what formatSpiffeId() wrote', () => {
    const id = { trustDomain: 'cluster.local', namespace: 'demo', serviceAccount: 'sensitive-db' };
    expect(parseSpiffeId(formatSpiffeId(id))).toEqual(id);
  });

  it.each(['', 'spiffe://', 'spiffe://a/ns/b/sa/', 'spiffe://a/ns/b/sa/c/d', ' spiffe://a/ns/b/sa/c', 'spiffe://a/sa/c/ns/b'])(
    'parseSpiffeId() answers null when the text is %j',
    (text) => {
      expect(parseSpiffeId(text)).toBeNull();
    },
  );
});
