import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { machinePrograms } from '../../src/lab/machine.ts';
import { ruleSetsEmpty } from '../../src/redirect/iptables/index.ts';
import type { OutsideServer } from '../support/outside-server.ts';
import { startOutsideServer, wayTo } from '../support/outside-server.ts';
import { TestLab } from '../support/test-lab.ts';

const others = readFileSync(new URL('manifests/others.yaml', import.meta.url), 'utf8');
const psql = `${machinePrograms('').postgres}/psql`;

const combinations = [
  { name: 'ebpf-sk-lookup', options: ['--inbound', 'sk_lookup'], meshed: true, rules: false },
  { name: 'ebpf-bind', options: ['--inbound', 'bind'], meshed: true, rules: false },
  { name: 'iptables', options: ['--redirect', 'iptables'], meshed: true, rules: true },
  { name: 'none', options: ['--redirect', 'none'], meshed: false, rules: false },
];

describe.each(combinations)('lab with $name', ({ name, options, meshed, rules }) => {
  const cleanup = new Cleanup();
  let lab: TestLab;
  let outside: OutsideServer;
  let excluded: OutsideServer;

  beforeAll(async () => {
    lab = cleanup.use(await TestLab.up(name, ...options));
    await lab.apply(others);
    outside = cleanup.use(await startOutsideServer(lab, 7778));
    excluded = cleanup.use(await startOutsideServer(lab, 7777));
  });

  afterAll(() => cleanup[Symbol.asyncDispose]());

  it('has a sidecar in the pods that ask for one', async () => {
    const { pods } = await lab.client.status();
    const injected = pods.filter((pod) => pod.injected).map(({ owner }) => owner);
    const containers = pods.filter((pod) => pod.containers.some((container) => container.name === 'istio-proxy')).map(({ owner }) => owner);
    const expected = meshed ? ['caller', 'excluding', 'httpbin', 'plain', 'sensitive-db', 'sleep'] : [];
    expect({ injected: injected.sort(), containers: containers.sort() }).toEqual({ injected: expected, containers: expected });
  });

  it(`has ${rules ? "Istio's" : 'no'} rules in the pods`, async () => {
    const { netns } = await lab.pod('deploy/httpbin');
    expect(await ruleSetsEmpty({ netns: netns ?? '' })).toMatchObject({ empty: !rules });
  });

  it.each(['httpbin', 'httpbin.demo', 'httpbin.demo.svc', 'httpbin.demo.svc.cluster.local'])(
    'GET http://%s:8000/ip answers 200',
    async (host) => {
      expect(await lab.status('deploy/sleep', `http://${host}:8000/ip`)).toBe('200');
    },
  );

  it('GET by the ClusterIP answers 200', async () => {
    expect(await lab.status('deploy/sleep', `${await lab.serviceUrl('httpbin')}/ip`)).toBe('200');
  });

  it('the server learns who called from the certificate, and only in the mesh', async () => {
    const { stdout } = await lab.exec('deploy/sleep', ['curl', '-s', 'http://httpbin:8000/headers']);
    const identity = 'URI=spiffe://cluster.local/ns/demo/sa/sleep';
    expect(stdout.includes(identity)).toBe(meshed);
  });

  it('a pod is reached by its own IPv4 and IPv6 address', async () => {
    const { addresses } = await lab.pod('deploy/plain');
    const [ipv4, ipv6] = addresses;
    expect(await lab.status('deploy/sleep', `http://${ipv4}:80/ip`)).toBe('200');
    expect(await lab.status('deploy/sleep', `http://[${ipv6}]:80/ip`)).toBe('200');
  });

  it('a pod that wants mutual TLS refuses plaintext to its address', async () => {
    const { addresses } = await lab.pod('deploy/httpbin');
    const seen = await Promise.all(
      addresses.map((address) => lab.status('stranger', `http://${address.includes(':') ? `[${address}]` : address}:80/ip`)),
    );
    // 52 and 56: the connection ends without an answer
    for (const status of seen) expect(status).toMatch(meshed ? /^curl (52|56)$/ : /^200$/);
  });

  it('PostgreSQL answers', async () => {
    const query = [psql, '-h', 'sensitive-db', '-U', 'postgres', '-Atc', 'select 6 * 7'];
    const { stdout, stderr } = await lab.exec('deploy/sleep', ['env', 'PGPASSWORD=changeme', 'PGCONNECT_TIMEOUT=5', ...query]);
    expect(`${stdout}${stderr}`).toBe('42\n');
  });

  it('an application reaches its own pod by address and by service', async () => {
    const { addresses } = await lab.pod('deploy/httpbin');
    const [ipv4, ipv6] = addresses;
    for (const url of [`http://${ipv4}:80/ip`, `http://[${ipv6}]:80/ip`, 'http://127.0.0.1:80/ip', 'http://httpbin:8000/ip']) {
      expect(`${url} ${await lab.status('deploy/httpbin', url)}`).toBe(`${url} 200`);
    }
  });

  it('what is outside of the mesh is reached through the sidecar, over IPv4 and IPv6', async () => {
    const ways = [await wayTo(lab, 'deploy/sleep', outside.url4), await wayTo(lab, 'deploy/sleep', outside.url6)];
    expect(ways).toEqual(meshed ? ['by proxy', 'by proxy'] : ['direct', 'direct']);
    if (meshed) expect(await lab.proxyLog('deploy/sleep')).toMatch(/ PassthroughCluster /);
  });

  it('excluded ports pass the sidecar by, over IPv4 and IPv6, also to a service', async () => {
    const ways = [await wayTo(lab, 'excluding', excluded.url4), await wayTo(lab, 'excluding', excluded.url6)];
    expect(ways).toEqual(['direct', 'direct']);
    expect(await lab.status('excluding', 'http://plain:8080/ip')).toBe('200');
    if (meshed) expect(await lab.proxyLog('excluding')).not.toMatch(/:(7777|8080) /);
    expect(await wayTo(lab, 'excluding', outside.url4)).toBe(meshed ? 'by proxy' : 'direct');
  });

  it.each(['nowhere.demo', 'nowhere', 'example.invalid'])('the unknown host %s is an unknown host, at once', async (host) => {
    const started = performance.now();
    // 6: the name is not known
    expect(await lab.status('deploy/sleep', `http://${host}/`)).toBe('curl 6');
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('an address that no service has is refused', async () => {
    const seen = await lab.status('deploy/sleep', 'http://10.96.77.77:80/');
    // The sidecar takes every connection and says then that it leads nowhere.
    expect(seen).toMatch(meshed ? /^(503|curl 52|curl 56)$/ : /^curl 7$/);
  });

  it('the agent and the lab have no complaint', async () => {
    const [{ pods, drift, lostEvents }, { problems, state }] = await Promise.all([lab.agent.status(), lab.client.status()]);
    expect({ problems, state, pods: pods.flatMap((pod) => pod.problems), repaired: drift.repaired, lostEvents }).toEqual({
      problems: [],
      state: 'settled',
      pods: [],
      repaired: 0,
      lostEvents: 0,
    });
  });
});
