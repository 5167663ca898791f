import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { onlySuccesses, startLoad } from '../support/load.ts';
import type { OutsideServer } from '../support/outside-server.ts';
import { startOutsideServer } from '../support/outside-server.ts';
import { until } from '../support/run-process.ts';
import { TestLab } from '../support/test-lab.ts';

const cleanup = new Cleanup();
let lab: TestLab;
let outside: OutsideServer;

beforeAll(async () => {
  lab = cleanup.use(await TestLab.up('life'));
  await lab.apply(readFileSync(new URL('manifests/others.yaml', import.meta.url), 'utf8'));
  outside = cleanup.use(await startOutsideServer(lab, 7778));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Kills the agent and waits for the one that the lab starts in its place. */
async function replaceAgent(): Promise<void> {
  const { pid } = await lab.agent.status();
  process.kill(pid, 'SIGKILL');
  await until(
    'a new agent',
    async () => {
      const status = await lab.agent.status().catch(() => null);
      return status !== null && status.pid !== pid ? status : null;
    },
    30_000,
  );
}

describe('agent', () => {
  it('is killed under 500 requests a second: none fails, and the next one takes over what is in the kernel', async () => {
    const before = await lab.agent.status();
    const url = `${await lab.serviceUrl('httpbin')}/ip`;
    const load = await startLoad(lab, 'deploy/caller', [
      { name: 'kept', url, perSecond: 300, connections: 'kept' },
      { name: 'new', url, perSecond: 150, connections: 'new' },
      { name: 'between sidecars', url: `${await lab.serviceUrl('httpbin-tcp')}/ip`, perSecond: 50, connections: 'new' },
    ]);
    await pause(1000);
    await replaceAgent();
    await pause(500);
    // The second time the lab waits before it starts another one.
    await replaceAgent();
    await pause(500);
    const reports = await load.stop();
    for (const name of ['kept', 'new', 'between sidecars']) expect(reports[name]).toMatchObject(onlySuccesses(reports[name]));
    const sent = Object.values(reports).reduce((sum, report) => sum + report.sent, 0);
    expect(sent).toBeGreaterThan(1000);
    const after = await lab.agent.status();
    expect(after.adopted).toBe(true);
    expect(after.pods.map(({ name, cookie, problems }) => ({ name, cookie, problems }))).toEqual(
      before.pods.map(({ name, cookie }) => ({ name, cookie, problems: [] })),
    );
    // Counters and the programs that redirect lived on.
    expect(after.counters.outbound_redirected).toBeGreaterThan((before.counters.outbound_redirected ?? 0) + 400);
    // the lab hears of it a moment after the agent answers
    const agent = await until('the lab knows that its agent runs', async () => {
      const status = await lab.client.status();
      return status.agent.state === 'running' ? status.agent : null;
    });
    expect(agent.restarts).toBe(2);
  });

  it('takes new pods after it was replaced', async () => {
    const text =
      'apiVersion: v1\nkind: Pod\nmetadata: { name: late }\nspec: { containers: [{ name: late, image: kennethreitz/httpbin }] }\n';
    await lab.apply(text);
    expect(await lab.status('late', 'http://httpbin:8000/ip')).toBe('200');
    await lab.delete(text);
    expect((await lab.agent.status()).pods.map(({ name }) => name)).not.toContain('demo/late');
  });
});

describe('proxy', () => {
  /** Kills a pod's proxy each time it comes up, until it has been killed `times` times. */
  async function killProxy(pod: string, times: number): Promise<void> {
    let last = 0;
    for (let count = 0; count < times; count += 1) {
      const pid = await until(`the proxy of ${pod} runs`, async () => {
        const { state } = await lab.container(pod, 'istio-proxy');
        return state.kind === 'running' && state.pid !== last ? state.pid : null;
      });
      process.kill(pid, 'SIGKILL');
      last = pid;
      await pause(300);
    }
  }

  it('is down: its application is refused and nothing passes it by; up again, everything works', async () => {
    const load = await startLoad(lab, 'deploy/caller', [
      { name: 'outside', url: outside.url4, perSecond: 50, connections: 'new' },
      { name: 'outside by IPv6', url: outside.url6, perSecond: 20, connections: 'new' },
      { name: 'service', url: `${await lab.serviceUrl('plain')}/ip`, perSecond: 50, connections: 'new' },
    ]);
    await pause(300);
    await killProxy('deploy/caller', 4);
    await lab.settled();
    await pause(300);
    const reports = await load.stop();
    for (const [name, { statuses, errors, direct }] of Object.entries(reports)) {
      const { ECONNREFUSED = 0, ECONNRESET: _cutByTheKill, ...otherErrors } = errors;
      // 503 is what a proxy says in its first moments.
      const { 200: answered = 0, 503: _early, ...otherStatuses } = statuses;
      expect({ name, direct, otherErrors, otherStatuses }).toEqual({ name, direct: 0, otherErrors: {}, otherStatuses: {} });
      expect(ECONNREFUSED).toBeGreaterThan(5);
      expect(answered).toBeGreaterThan(5);
    }
    expect(await lab.status('deploy/caller', 'http://httpbin:8000/ip')).toBe('200');
  });

  it('lets a connection by when it should: the same server sees an excluded client itself', async () => {
    const text = `apiVersion: v1
kind: Pod
metadata: { name: past, annotations: { traffic.sidecar.istio.io/excludeOutboundPorts: "7778" } }
spec: { containers: [{ name: past, image: kennethreitz/httpbin }] }
`;
    await lab.apply(text);
    const load = await startLoad(lab, 'past', [{ name: 'direct', url: outside.url4, perSecond: 50, connections: 'new' }]);
    await pause(300);
    const { direct } = await load.stop();
    await lab.delete(text);
    expect(direct?.sent).toBeGreaterThan(5);
    expect(direct).toMatchObject({ ...onlySuccesses(direct), direct: direct?.sent });
  });

  it('is down: nobody reaches its application by the address of the pod', async () => {
    const { addresses } = await lab.pod('deploy/httpbin');
    const [ipv4, ipv6] = addresses;
    const load = await startLoad(lab, 'stranger', [
      { name: 'IPv4', url: `http://${ipv4}:80/ip`, perSecond: 50, connections: 'new' },
      { name: 'IPv6', url: `http://[${ipv6}]:80/ip`, perSecond: 50, connections: 'new' },
    ]);
    await killProxy('deploy/httpbin', 3);
    await lab.settled();
    const reports = await load.stop();
    for (const { statuses, errors } of Object.values(reports)) {
      // STRICT resets plaintext while the proxy is up; without a proxy nothing listens.
      const { ECONNREFUSED = 0, ECONNRESET: _strict, ...others } = errors;
      expect({ statuses, others }).toEqual({ statuses: {}, others: {} });
      expect(ECONNREFUSED).toBeGreaterThan(5);
    }
    expect(await lab.status('deploy/sleep', 'http://httpbin:8000/ip')).toBe('200');
  });
});

describe('container', () => {
  it('that ends is started again with growing delays, and counted', async () => {
    const text = `apiVersion: v1
kind: Pod
metadata: { name: crashing, labels: { sidecar.istio.io/inject: "false" } }
spec: { containers: [{ name: main, image: busybox, command: ["/bin/sh", "-c", "date +%s%N; exit 3"] }] }
`;
    const { outcomes } = await lab.client.apply(
      (await import('../../src/manifests/parse.ts')).parseManifests(text, 't', { defaultNamespace: 'demo' }).manifests,
    );
    expect(outcomes).toMatchObject([{ outcome: 'created' }]);
    const container = await until('three restarts', async () => {
      const seen = await lab.container('crashing').catch(() => null);
      return seen !== null && seen.restarts >= 3 && seen.state.kind === 'waiting' ? seen : null;
    });
    expect(container).toMatchObject({ state: { reason: 'CrashLoopBackOff' }, ready: false, lastExit: { exitCode: 3, signal: null } });
    expect((await lab.pod('crashing')).phase).toBe('CrashLoopBackOff');
    const starts = readFileSync(container.log, 'utf8')
      .trim()
      .split('\n')
      .map((nanoseconds) => Number(nanoseconds) / 1e6);
    const gaps = starts.slice(1).map((start, index) => Math.round(start - (starts[index] ?? 0)));
    // At once, then after half a second and after one.
    expect(gaps[0]).toBeLessThan(450);
    expect(gaps[1]).toBeGreaterThan(450);
    expect(gaps[2]).toBeGreaterThan(950);
    await lab.delete(text);
  });

  it('that is killed comes back, ready and counted', async () => {
    const before = await lab.container('deploy/plain');
    process.kill(before.state.kind === 'running' ? before.state.pid : 0, 'SIGKILL');
    const after = await until('ready again', async () => {
      const seen = await lab.container('deploy/plain');
      return seen.ready && seen.restarts > before.restarts ? seen : null;
    });
    expect(after).toMatchObject({ restarts: before.restarts + 1, lastExit: { exitCode: 137, signal: 'SIGKILL' } });
    await lab.settled();
    expect(await lab.status('deploy/sleep', 'http://plain:8080/ip')).toBe('200');
  });
});

describe('Deployment', () => {
  const web = (replicas: number, version: string) => `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
      - { name: web, image: kennethreitz/httpbin, env: [{ name: VERSION, value: "${version}" }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80 }] }
`;
  const pods = async () => (await lab.client.pods()).filter(({ owner }) => owner === 'web').map(({ name }) => name);

  it('grows, spreads requests, changes its pods for new ones, shrinks and goes away', async () => {
    await lab.apply(web(1, 'one'));
    const first = await pods();
    expect(first).toHaveLength(1);
    await lab.apply(web(3, 'one'));
    const three = await pods();
    expect(three).toHaveLength(3);
    expect(three).toEqual(expect.arrayContaining(first));
    for (let count = 0; count < 12; count += 1) expect(await lab.status('deploy/sleep', 'http://web/ip')).toBe('200');
    const served = await Promise.all(three.map(async (name) => (await lab.proxyLog(name)).includes('"GET /ip ')));
    expect(served.filter((seen) => seen).length).toBeGreaterThan(1);
    await lab.apply(web(2, 'two'));
    const two = await pods();
    expect(two).toHaveLength(2);
    expect(two.filter((name) => three.includes(name))).toEqual([]);
    expect(await lab.status('deploy/sleep', 'http://web/ip')).toBe('200');
    await lab.apply(web(0, 'two'));
    expect(await pods()).toEqual([]);
    expect(await lab.status('deploy/sleep', 'http://web/ip')).toBe('503');
    await lab.delete(web(0, 'two'));
    expect(await lab.status('deploy/sleep', 'http://web/ip')).toBe('curl 6');
  });
});
