import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { machinePrograms } from '../../src/lab/machine.ts';
import { millrace, until } from '../support/run-process.ts';
import { TestLab } from '../support/test-lab.ts';

const psql = `${machinePrograms('').postgres}/psql`;
const articlePath = new URL('../../examples/policy-article/dummy-db-and-policy.yaml', import.meta.url).pathname;
const article = readFileSync(articlePath, 'utf8');

const impatient = `apiVersion: apps/v1
kind: Deployment
metadata: { name: impatient }
spec:
  selector: { matchLabels: { app: impatient } }
  template:
    metadata: { labels: { app: impatient }, annotations: { millrace.io/deny: reject } }
    spec: { containers: [{ name: impatient, image: curlimages/curl, command: [sleep, "3650d"] }] }
`;

const sleepMay = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: sleep-may }
spec:
  endpointSelector: { matchLabels: { app: sensitive-db } }
  ingress: [{ fromEndpoints: [{ matchLabels: { app: sleep } }], toPorts: [{ ports: [{ port: "5432", protocol: TCP }] }] }]
`;

const cleanup = new Cleanup();
let lab: TestLab;

beforeAll(async () => {
  lab = cleanup.use(await TestLab.up('enforcement'));
  await lab.apply(impatient);
});

afterAll(() => cleanup[Symbol.asyncDispose]());

interface Attempt {
  readonly exit: number;
  /** Whether a TCP connection came about, if only to its own sidecar. */
  readonly connected: boolean;
  readonly seconds: number;
}

async function dial(pod: string): Promise<Attempt> {
  const argv = ['curl', '-s', '-o', '/dev/null', '-w', '%{time_connect} %{time_total}', '--connect-timeout', '1', '-m', '5'];
  const { status, stdout } = await lab.exec(pod, [...argv, 'http://sensitive-db:5432']);
  const [connect = 0, total = 0] = stdout.split(' ').map(Number);
  return { exit: status, connected: connect > 0, seconds: total };
}

/** What PostgreSQL answers `select 6 * 7`, or how psql ended. */
async function query(pod: string): Promise<string> {
  const argv = ['env', 'PGPASSWORD=changeme', 'PGCONNECT_TIMEOUT=2', psql, '-h', 'sensitive-db', '-U', 'postgres', '-Atc', 'select 6 * 7'];
  const { status, stdout } = await lab.exec(pod, argv);
  return status === 0 ? stdout.trim() : `psql ${status}`;
}

const policy = (verb: string, ...args: readonly string[]) => millrace(['policy', verb, '--instance', lab.instance, ...args]);

const trace = (from: string, ...more: readonly string[]) =>
  policy('trace', '--from', from, '--to', 'deploy/sensitive-db', '--port', '5432', ...more);

/** Runs `work` with the article's policy in force, and takes it away again. */
async function withArticle(work: () => Promise<void>): Promise<void> {
  await lab.apply(article);
  try {
    await work();
  } finally {
    await policy('delete', '-f', articlePath);
  }
}

describe("the article's policy", () => {
  it('keeps a pod from the database before its own sidecar takes the connection, and ends with the policy', async () => {
    expect(await dial('deploy/sleep')).toMatchObject({ exit: 0, connected: true });
    expect(await query('deploy/sleep')).toBe('42');
    await withArticle(async () => {
      expect(await dial('deploy/sleep')).toMatchObject({ exit: 28, connected: false });
      // nobody else is concerned
      expect(await lab.status('deploy/sleep', 'http://httpbin:8000/ip')).toBe('200');
    });
    expect(await query('deploy/sleep')).toBe('42');
  });

  it('fails at once where the pod wants to be told', async () => {
    expect(await query('deploy/impatient')).toBe('42');
    await withArticle(async () => {
      const { exit, seconds } = await dial('deploy/impatient');
      expect(exit).toBe(7);
      expect(seconds).toBeLessThan(0.5);
    });
  });

  it('lets PostgreSQL answer whom another policy allows, through both sidecars', async () => {
    await withArticle(async () => {
      await lab.apply(sleepMay);
      expect(await query('deploy/sleep')).toBe('42');
      expect(await dial('deploy/httpbin')).toMatchObject({ exit: 28, connected: false });
      expect((await trace('deploy/sleep', '--expect', 'allow')).status).toBe(0);
      await lab.delete(sleepMay);
      expect(await dial('deploy/sleep')).toMatchObject({ exit: 28, connected: false });
    });
  });

  it('holds while the agent is dead, and the next one takes it over without a repair', async () => {
    await withArticle(async () => {
      const { pid } = await lab.agent.status();
      process.kill(pid, 'SIGKILL');
      expect(await dial('deploy/sleep')).toMatchObject({ exit: 28, connected: false });
      const status = await until('a new agent', async () => {
        const now = await lab.agent.status().catch(() => null);
        return now !== null && now.pid !== pid ? now : null;
      });
      expect(status).toMatchObject({ adopted: true, policies: { count: 1, problem: null } });
      expect(await dial('deploy/sleep')).toMatchObject({ exit: 28, connected: false });
      await lab.settled();
      expect((await lab.agent.status()).drift.repaired).toBe(0);
    });
  });
});

describe('millrace policy', () => {
  it('applies, lists, traces and deletes in a lab, as the lab has it', async () => {
    expect(await policy('list')).toMatchObject({ status: 0, stdout: expect.stringContaining('there are no network policies') });
    const applied = await policy('apply', '-f', articlePath);
    expect(applied).toMatchObject({ status: 0, stdout: 'ciliumnetworkpolicy.cilium.io/db-access-control created\n' });
    expect(applied.stderr).toContain('warning: Service sensitive-db is no network policy and was left alone');
    expect((await lab.client.status()).policies).toEqual([
      { kind: 'CiliumNetworkPolicy', namespace: 'demo', name: 'db-access-control', valid: true, reasons: [] },
    ]);
    const listed = await policy('list');
    expect(listed.stdout).toMatch(/^CiliumNetworkPolicy +demo +db-access-control +yes +ingress +1 +demo\/sensitive-db-\S+$/m);
    const denied = await trace('deploy/sleep');
    expect(denied.status).toBe(0);
    expect(denied.stdout).toMatch(
      /^DENIED: \S+ \(demo\/sleep-\S+, identity \d+\) to TCP port 5432 of \S+ \(demo\/sensitive-db-\S+, identity \d+\)\n/,
    );
    expect(denied.stdout).toContain('by the ingress isolation of CiliumNetworkPolicy demo/db-access-control (133)\n');
    expect(denied.stdout).toMatch(/mr_policy_to_pod at interface \d+: drops\nthe loaded programs agree\n$/);
    expect((await trace('deploy/sleep', '--expect', 'allow')).status).toBe(1);
    expect(JSON.parse((await trace('deploy/sleep', '-o', 'json')).stdout)).toMatchObject({ verdict: 'deny', agrees: true });
    expect(await policy('delete', '-f', articlePath)).toMatchObject({
      status: 0,
      stdout: 'ciliumnetworkpolicy.cilium.io/db-access-control deleted\n',
    });
    expect(await policy('delete', '-f', articlePath)).toMatchObject({ status: 1, stdout: expect.stringContaining('not found') });
    expect((await policy('delete', '-f', articlePath, '--ignore-not-found')).status).toBe(0);
  });

  it('says which policy is invalid and why, and goes on with the others', async () => {
    const invalid = sleepMay.replace('sleep-may', 'wrong').replace(/ingress: .*/, 'ingressX: []');
    // a field that nobody knows is refused before anything is applied
    expect(await millrace(['policy', 'apply', '--instance', lab.instance, '-n', 'demo', '-f', '-'], { input: invalid })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('MANIFEST_INVALID'),
    });
    const http = sleepMay.replace('protocol: TCP }] }', 'protocol: TCP }], rules: { http: [{ method: GET }] } }');
    const seen = await millrace(['policy', 'apply', '--instance', lab.instance, '-n', 'demo', '-f', '-'], { input: http });
    expect(seen).toMatchObject({ status: 1, stdout: 'ciliumnetworkpolicy.cilium.io/sleep-may created\n' });
    expect(seen.stderr).toContain('CiliumNetworkPolicy demo/sleep-may is invalid and not enforced: L7 rules are enforced by the proxy');
    expect((await policy('list')).stdout).toMatch(/sleep-may +NO /);
    expect(await query('deploy/sleep')).toBe('42');
    await lab.delete(sleepMay);
  });
});
