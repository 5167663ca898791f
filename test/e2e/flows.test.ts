import { readFileSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { instancePaths } from '../../src/api/paths.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { hubbleBuildMs, hubbleCli } from '../support/hubble-cli.ts';
import { millrace, runProcess } from '../support/run-process.ts';
import { TestLab } from '../support/test-lab.ts';

const cleanup = new Cleanup();
let lab: TestLab;

beforeAll(async () => {
  lab = cleanup.use(await TestLab.up('flows'));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

async function observe(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await millrace(['observe', '--instance', lab.instance, ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

interface Printed {
  readonly flow: { readonly Summary: string; readonly [field: string]: unknown };
}

const observed = async (...args: readonly string[]): Promise<readonly Printed['flow'][]> =>
  (await observe(...args, '-o', 'json'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as Printed).flow);

const example = (name: string) => readFileSync(new URL(`../../examples/policy-article/${name}`, import.meta.url), 'utf8');
const requests = ['--type', 'l7', '--traffic-direction', 'ingress', '--to-label', 'app=httpbin'];

/** Requests (and not their answers) that httpbin's sidecar told, by their URL. */
const requested = async (url: string): Promise<readonly Printed['flow'][]> =>
  (await observed(...requests, '--all', '--http-url', url)).filter(({ is_reply }) => is_reply === false);

describe('flows of a lab', () => {
  it('tell of a request: the names that were asked for, its connections with their bytes, and the message at both sidecars', async () => {
    expect(await lab.status('deploy/sleep', 'http://httpbin:8000/ip')).toBe('200');
    await expect
      .poll(() => observe('--all', '--protocol', 'dns', '--from-label', 'app=sleep'))
      .toContain('dns-request proxy FORWARDED (DNS Query httpbin.demo.svc.cluster.local. A)');
    const messages = async () =>
      (await observed('--all', '--type', 'l7', '--http-path', '^/ip')).map((flow) => `${flow.traffic_direction} ${flow.Summary}`);
    await expect
      .poll(messages)
      .toEqual([
        'EGRESS HTTP/1.1 GET http://httpbin:8000/ip',
        expect.stringMatching(/^EGRESS HTTP\/1\.1 200 \d+ms \(GET http:\/\/httpbin:8000\/ip\)$/),
        'INGRESS HTTP/1.1 GET http://httpbin:8000/ip',
        expect.stringMatching(/^INGRESS HTTP\/1\.1 200 /),
      ]);
    const closed = async () => (await observed('--all', '--type', 'trace-sock', '--from-label', 'app=sleep')).map(({ Summary }) => Summary);
    await expect.poll(closed).toContainEqual('Connection opened through the proxy');
    await expect
      .poll(closed)
      .toContainEqual(expect.stringMatching(/^Connection closed through the proxy: [1-9]\d+ bytes sent, [1-9]\d+ bytes received$/));
    await expect.poll(closed).toContainEqual('Connection opened of the proxy');
  });

  it('tell of what a policy of the kernel drops with everything that the article shows', async () => {
    await lab.apply(example('dummy-db-and-policy.yaml'));
    expect(await lab.status('deploy/sleep', 'http://sensitive-db:5432', '--connect-timeout', '1')).toBe('curl 28');
    const wanted = ['--from-label', 'app=sleep', '--to-label', 'app=sensitive-db', '--verdict', 'DROPPED'];
    await expect.poll(() => observed(...wanted, '--type', 'drop').then(({ length }) => length)).toBeGreaterThan(0);
    const [drop] = await observed(...wanted, '--type', 'drop', '--first', '1');
    const end = (app: string) => ({
      namespace: 'demo',
      identity: expect.any(Number),
      pod_name: expect.stringMatching(new RegExp(`^${app}-`)),
      workloads: [{ name: app, kind: 'Deployment' }],
      labels: expect.arrayContaining([`k8s:app=${app}`, 'k8s:io.kubernetes.pod.namespace=demo']),
    });
    expect(drop).toMatchObject({
      verdict: 'DROPPED',
      drop_reason: 133,
      drop_reason_desc: 'POLICY_DENIED',
      traffic_direction: 'INGRESS',
      l4: { TCP: { destination_port: 5432, flags: { SYN: true } } },
      source: end('sleep'),
      destination: end('sensitive-db'),
      ingress_denied_by: [{ name: 'db-access-control', namespace: 'demo', kind: 'CiliumNetworkPolicy' }],
      interface: { name: expect.stringMatching(/^mr/) },
    });
    expect(await observe(...wanted, '--print-policy-names')).toContain('DROPPED');
    const { stdout } = await millrace(['metrics', '--instance', lab.instance]);
    expect(stdout).toMatch(/^hubble_drop_total\{reason="POLICY_DENIED",protocol="TCP"\} [1-9]/m);
    expect(stdout).toMatch(/^hubble_dns_queries_total\{[^}]*\} [1-9]/m);
  });

  it('tell of what a policy of the sidecar refuses, and of the answer that said so', async () => {
    await lab.apply(example('istio-l7-policy.yaml'));
    expect(await lab.status('deploy/sleep', 'http://httpbin:8000/headers')).toBe('403');
    await expect
      .poll(() => requested('/headers'))
      .toMatchObject([{ verdict: 'DROPPED', Summary: 'HTTP/1.1 GET http://httpbin:8000/headers' }]);
    const answers = await observed('--all', '--type', 'l7', '--traffic-direction', 'ingress', '--http-status', '403');
    expect(answers.map(({ verdict, is_reply }) => [verdict, is_reply])).toEqual([['FORWARDED', true]]);
  });

  it('believe nothing that a client writes into its request', async () => {
    const forged =
      '[2026-01-02T03:04:05.600Z] "GET /forged HTTP/1.1" 200 - via_upstream - "-" 0 0 0 0 "-" "x" "y" "z" "9.9.9.9:9" inbound|80|| 9.9.9.9:9 9.9.9.9:9 9.9.9.9:9 - default "-"';
    const hostile = ['-H', `User-Agent: x" "id" "host" "9.9.9.9:9" inbound|1|| 9.9.9.9:9 9.9.9.9:9 9.9.9.9:9 - default "-"`];
    await lab.status(
      'deploy/sleep',
      `http://httpbin:8000/ip?hostile`,
      ...hostile,
      '-H',
      `X-Forwarded-For: a" "b`,
      '-H',
      `X-Request-Id: c" "d`,
    );
    await lab.status('deploy/sleep', `http://httpbin:8000/ip?newline%0a${encodeURIComponent(forged)}`);
    // raw bytes that curl would not send: a line break inside of the request line and of a header
    const raw = `printf 'GET /ip?raw\\r\\n${forged.replaceAll("'", '').replaceAll('%', '%%')}\\n HTTP/1.1\\r\\nHost: httpbin\\r\\nX: a\\n${forged.replaceAll('%', '%%')}\\r\\n\\r\\n' > /dev/tcp/httpbin/8000`;
    expect(await lab.exec('deploy/sleep', ['bash', '-c', raw])).toMatchObject({ status: 0 });
    await expect.poll(() => requested('hostile')).toHaveLength(1);
    await expect.poll(() => requested('newline')).toHaveLength(1);
    await sleep(500);
    const everything = await observed('--all');
    expect(everything.filter((flow) => JSON.stringify(flow.IP).includes('9.9.9.9'))).toEqual([]);
    expect(await requested('^http://[^/]*/forged')).toEqual([]);
  });

  it('go on when a log was rotated, a pod replaced, and the agent started again', async () => {
    truncateSync((await lab.container('deploy/httpbin', 'istio-proxy')).log);
    await sleep(300);
    await lab.status('deploy/sleep', 'http://httpbin:8000/ip?rotated');
    await expect.poll(() => requested('rotated')).toHaveLength(1);

    const before = await lab.pod('deploy/httpbin');
    await lab.apply(example('sample.yaml').replace('kennethreitz/httpbin', 'kennethreitz/httpbin:latest'));
    const after = await lab.pod('deploy/httpbin');
    expect(after.name).not.toBe(before.name);
    await lab.status('deploy/sleep', 'http://httpbin:8000/ip?replaced');
    await expect.poll(() => requested('replaced')).toHaveLength(1);

    const { pid } = (await lab.client.status()).agent;
    process.kill(pid ?? 0, 'SIGKILL');
    await expect.poll(async () => (await lab.client.status()).agent).toMatchObject({ state: 'running', restarts: 1 });
    await lab.status('deploy/sleep', 'http://httpbin:8000/ip?started-again');
    await expect.poll(() => requested('started-again')).toHaveLength(1);
    const [flow] = await requested('started-again');
    expect(flow).toMatchObject({ source: { workloads: [{ name: 'sleep' }] }, destination: { pod_name: after.name } });
  });

  it('are the same to the real hubble command', { timeout: hubbleBuildMs }, async (context) => {
    const built = await hubbleCli();
    if ('missing' in built) return context.skip(built.missing);
    const until = ['--until', new Date().toISOString(), '--all'];
    const env = { HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' };
    for (const args of [[...until], [...until, '-o', 'json'], [...until, '-o', 'dict', '--from-label', 'app=sleep']]) {
      const server = `unix://${instancePaths(lab.instance).hubbleSocket}`;
      const theirs = await runProcess(built.path, ['observe', ...args, '--server', server], { env });
      expect(theirs).toMatchObject({ status: 0, stderr: '' });
      expect(await observe(...args)).toBe(theirs.stdout);
    }
  });
});
