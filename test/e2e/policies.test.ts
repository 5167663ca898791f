import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { machinePrograms } from '../../src/lab/machine.ts';
import { onlySuccesses, startLoad } from '../support/load.ts';
import { until } from '../support/run-process.ts';
import { TestLab } from '../support/test-lab.ts';

const psql = `${machinePrograms('').postgres}/psql`;
/** Certificates of this life are replaced every three seconds. */
const certificateSeconds = 6;

const cleanup = new Cleanup();
let lab: TestLab;

beforeAll(async () => {
  lab = cleanup.use(await TestLab.up('policies', '--cert-ttl', String(certificateSeconds)));
  await lab.apply(readFileSync(new URL('manifests/others.yaml', import.meta.url), 'utf8'));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

function authorization(name: string, app: string, action: string, rules: string): string {
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name} }
spec:
  selector: { matchLabels: { app: ${app} } }
  action: ${action}
  rules: ${rules}
`;
}

function peerAuthentication(mode: string): string {
  return `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: httpbin }
spec:
  selector: { matchLabels: { app: httpbin } }
  mtls: { mode: ${mode} }
`;
}

const fromCaller =
  '[{ from: [{ source: { principals: ["cluster.local/ns/demo/sa/caller"] } }], to: [{ operation: { paths: ["PATH"] } }] }]';

describe('AuthorizationPolicy', () => {
  it('takes effect and ends while requests run, and no connection fails', async () => {
    const url = `${await lab.serviceUrl('httpbin')}/headers`;
    const tcpUrl = `${await lab.serviceUrl('httpbin-tcp')}/headers`;
    const load = await startLoad(lab, 'deploy/caller', [
      { name: 'kept', url, perSecond: 60, connections: 'kept' },
      { name: 'new', url, perSecond: 30, connections: 'new' },
      { name: 'own', url: tcpUrl, perSecond: 10, connections: 'new' },
    ]);
    const seen = [await lab.status('deploy/caller', url)];
    const change = async (path: string) => {
      await lab.apply(authorization('gate', 'httpbin', 'ALLOW', fromCaller.replace('PATH', path)));
      seen.push(await lab.status('deploy/caller', url));
    };
    await change('/ip');
    await change('/headers');
    await change('/post');
    await lab.delete(authorization('gate', 'httpbin', 'ALLOW', '[]'));
    seen.push(await lab.status('deploy/caller', url));
    const reports = await load.stop();
    expect(seen).toEqual(['200', '403', '200', '403', '200']);
    for (const name of ['kept', 'new', 'own']) {
      expect(`${name} ${JSON.stringify(reports[name]?.errors)}`).toBe(`${name} {}`);
      expect(Object.keys(reports[name]?.statuses ?? {})).toEqual(['200', '403']);
    }
  });

  it("lets the article's policy through for sleep alone", async () => {
    const text = readFileSync(new URL('../../examples/policy-article/istio-l7-policy.yaml', import.meta.url), 'utf8');
    await lab.apply(text);
    const ask = (pod: string, path: string, ...more: readonly string[]) => lab.status(pod, `http://httpbin:8000${path}`, ...more);
    const seen = [
      await ask('deploy/sleep', '/ip'),
      await ask('deploy/sleep', '/headers'),
      await ask('deploy/sleep', '/post', '-X', 'POST'),
      await ask('deploy/caller', '/ip'),
    ];
    await lab.delete(text);
    expect(seen).toEqual(['200', '403', '403', '403']);
    expect(await ask('deploy/caller', '/ip')).toBe('200');
    expect(await lab.proxyLog('deploy/httpbin')).toMatch(
      /"GET \/headers .* 403 - rbac_access_denied_matched_policy\[none\].*"RBAC: access denied"/,
    );
  });

  it('is overruled by DENY, whatever ALLOW says', async () => {
    const allow = authorization('allow', 'httpbin', 'ALLOW', '[{}]');
    const deny = authorization('deny', 'httpbin', 'DENY', '[{ to: [{ operation: { methods: ["DELETE"], paths: ["/anything/*"] } }] }]');
    await lab.apply(`${allow}---\n${deny}`);
    const seen = [
      await lab.status('deploy/sleep', 'http://httpbin:8000/anything/x'),
      await lab.status('deploy/sleep', 'http://httpbin:8000/anything/x', '-X', 'DELETE'),
      await lab.status('deploy/sleep', 'http://httpbin:8000/anything', '-X', 'DELETE'),
    ];
    await lab.delete(`${allow}---\n${deny}`);
    expect(seen).toEqual(['200', '403', '200']);
  });

  it('without a rule refuses everybody, and AUDIT refuses nobody', async () => {
    const none = authorization('none', 'httpbin', 'ALLOW', '[]');
    await lab.apply(none);
    const refused = await lab.status('deploy/sleep', 'http://httpbin:8000/ip');
    await lab.delete(none);
    const audit = authorization('audit', 'httpbin', 'AUDIT', '[{}]');
    await lab.apply(audit);
    const audited = await lab.status('deploy/sleep', 'http://httpbin:8000/ip');
    await lab.delete(audit);
    expect({ refused, audited }).toEqual({ refused: '403', audited: '200' });
  });

  it('guards the database by identity and by port', async () => {
    const ask = async (pod: string) => {
      const query = [psql, '-h', 'sensitive-db', '-U', 'postgres', '-Atc', 'select 1'];
      return (await lab.exec(pod, ['env', 'PGPASSWORD=changeme', 'PGCONNECT_TIMEOUT=5', ...query])).status;
    };
    const sleepOnly = authorization(
      'database',
      'sensitive-db',
      'ALLOW',
      '[{ from: [{ source: { principals: ["cluster.local/ns/demo/sa/sleep"] } }], to: [{ operation: { ports: ["5432"] } }] }]',
    );
    const before = { sleep: await ask('deploy/sleep'), caller: await ask('deploy/caller') };
    await lab.apply(sleepOnly);
    const during = { sleep: await ask('deploy/sleep'), caller: await ask('deploy/caller') };
    await lab.apply(sleepOnly.replace('"5432"', '"5433"'));
    const otherPort = { sleep: await ask('deploy/sleep'), caller: await ask('deploy/caller') };
    await lab.delete(sleepOnly);
    const after = { sleep: await ask('deploy/sleep'), caller: await ask('deploy/caller') };
    // 2: psql's "could not connect"
    expect({ before, during, otherPort, after }).toEqual({
      before: { sleep: 0, caller: 0 },
      during: { sleep: 0, caller: 2 },
      otherPort: { sleep: 2, caller: 2 },
      after: { sleep: 0, caller: 0 },
    });
  });
});

describe('PeerAuthentication', () => {
  it.each([
    ['STRICT', 'refused'],
    ['PERMISSIVE', '200'],
    ['DISABLE', '200'],
  ])('%s answers a pod without a sidecar with %s, and one with a sidecar always', async (mode, expected) => {
    await lab.apply(peerAuthentication(mode));
    const stranger = await lab.status('stranger', 'http://httpbin:8000/ip');
    const sleep = await lab.status('deploy/sleep', 'http://httpbin:8000/ip');
    const { stdout } = await lab.exec('deploy/sleep', ['curl', '-s', 'http://httpbin:8000/headers']);
    await lab.delete(peerAuthentication(mode));
    expect({ stranger: /^curl (52|56)$/.test(stranger) ? 'refused' : stranger, sleep }).toEqual({ stranger: expected, sleep: '200' });
    // Where mutual TLS is off, nobody is known.
    expect(stdout.includes('spiffe://')).toBe(mode !== 'DISABLE');
  });

  it('STRICT is in force when there is none', async () => {
    expect(await lab.status('stranger', 'http://httpbin:8000/ip')).toMatch(/^curl (52|56)$/);
  });
});

describe('certificates', () => {
  async function serial(pod: string): Promise<string> {
    const { stdout } = await lab.exec(pod, ['curl', '-s', 'http://127.0.0.1:15000/certs']);
    const { certificates } = JSON.parse(stdout) as { certificates: readonly { cert_chain: readonly { serial_number: string }[] }[] };
    return certificates.flatMap(({ cert_chain }) => cert_chain)[0]?.serial_number ?? 'none';
  }

  it('are replaced while requests run, and none fails', async () => {
    const url = `${await lab.serviceUrl('httpbin')}/ip`;
    const load = await startLoad(lab, 'deploy/caller', [
      { name: 'kept', url, perSecond: 60, connections: 'kept' },
      { name: 'new', url, perSecond: 30, connections: 'new' },
      // Each one is a handshake between the sidecars.
      { name: 'handshakes', url: `${await lab.serviceUrl('httpbin-tcp')}/ip`, perSecond: 30, connections: 'new' },
    ]);
    const started = performance.now();
    const seen = { caller: new Set<string>(), httpbin: new Set<string>() };
    await until('three certificates on both sides', async () => {
      seen.caller.add(await serial('deploy/caller'));
      seen.httpbin.add(await serial('deploy/httpbin'));
      return seen.caller.size >= 3 && seen.httpbin.size >= 3 ? true : null;
    });
    // Two replacements lie at least one half of a life apart.
    expect(performance.now() - started).toBeGreaterThan((certificateSeconds / 2) * 1000 - 500);
    const reports = await load.stop();
    for (const name of ['kept', 'new', 'handshakes']) expect(reports[name]).toMatchObject(onlySuccesses(reports[name]));
  });
});
