import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FlowEvent } from '../../src/abi/gen/index.ts';
import { readFlowEvent } from '../../src/abi/gen/index.ts';
import type { ServiceEntry } from '../../src/api/types.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { closeFd } from '../../src/kernel/index.ts';
import { RingReader } from '../../src/kernel/ring.ts';
import { receiveBytes, sendBytes } from '../../src/kernel/socket-io.ts';
import { formatIp, unmapIp } from '../../src/pods/address.ts';
import { HostPrograms } from '../../src/policy-tables/index.ts';
import { endpointRow } from '../../src/policy-tables/rows.ts';
import { ServiceWriter } from '../../src/redirect/ebpf/service-writer.ts';
import { changeSettings } from '../../src/redirect/ebpf/settings.ts';
import { findProgram, llvmNames } from '../../tools/find-program.mjs';
import { enrolPod } from '../support/enrolment.ts';
import { startListening } from '../support/listening-process.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { protocols } from '../support/packets.ts';
import { bump, enforce, setIdentity, pod as testPod } from '../support/policy-kernel.ts';
import { application, connectOn, dial, endpoint, listen, proxy, root, socketAs } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

/**
 * What the connect hook makes of policy, in a pod with a proxy: what is denied is not handed to the proxy. The programs at the interface enforce; the last
 * tests take the hook's knowledge away.
 */
const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;
let services: ServiceWriter;
let ring: RingReader;
let host: HostPrograms;

const may = { address: '10.9.0.30', identity: 300 } as const;
const mayNot = { address: '10.9.0.40', identity: 301, address6: 'fd00:9::40' } as const;
const virtual = '10.96.0.20';
const virtual6 = 'fd00:96::20';

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
  const { maps, object, pins } = node.plane;
  // known before it listens, so that the proxy is found when it does
  await enrolPod(node.plane, network.pod);
  const own = [`${may.address}/24`, `${mayNot.address}/24`, `${mayNot.address6}/64 nodad`];
  network.outside.ip(`${own.map((address) => `addr add ${address} dev eth0\n`).join('')}addr add ${virtual}/32 dev lo\n`);
  services = new ServiceWriter(maps);
  ring = cleanup.use(new RingReader(maps.flows.fd));
  host = new HostPrograms(object, maps, pins, network.outside.handle);
  setIdentity(maps, `${may.address}/32`, may.identity);
  for (const address of [`${mayNot.address}/32`, `${mayNot.address6}/128`]) setIdentity(maps, address, mayNot.identity);
  cleanup.defer(() => host.unguard(network.pod.handle.cookie));
  await host.guard(network.pod.handle);
  cleanup.use(await listen(network.outside, root, 'allowed', `${may.address}:80`));
  for (const at of [`${mayNot.address}:80`, `[${mayNot.address6}]:80`, `${virtual}:80`])
    cleanup.use(await listen(network.outside, root, 'denied', at));
  cleanup.use(await startListening(network.pod, proxy, 'proxy', [':::15001']));
});

beforeEach(async () => {
  const { maps } = node.plane;
  await enrolPod(node.plane, network.pod);
  setPod();
  services.write([]);
  changeSettings(maps, { aggregation: 2, policyEpoch: 1, flowLimit: 0 });
  enforce(maps, ['egress'], [{ action: 'ALLOW', peer: may.identity, protocol: protocols.tcp }]);
  events();
});

afterAll(() => cleanup[Symbol.asyncDispose]());

function setPod({ reject = false } = {}): void {
  const { cookie } = network.pod.handle;
  const own = { cookie, identity: testPod.identity, addresses: ['10.9.0.2', 'fd00:9::2'], audit: false, forwards: false };
  node.plane.maps.endpoints.set(cookie, endpointRow({ ...own, reject }));
}

function service(address: string, backends: readonly string[]): ServiceEntry {
  return { address, port: 80, protocol: 'TCP', backends: backends.map((backend) => ({ address: backend, port: 80 })) };
}

function events(): readonly FlowEvent[] {
  const seen: FlowEvent[] = [];
  ring.consume((view, offset) => void seen.push(readFlowEvent(view, offset)), 100_000);
  return seen;
}

const addressText = (bytes: Uint8Array) => formatIp(unmapIp({ family: 6, bytes: bytes }));

/** `10.9.0.40:80 flags 2`, of what was dropped since the last look, each once. */
const dropped = () => [
  ...new Set(
    events()
      .filter(({ type }) => type === 1)
      .map(({ dst, dport, tcpFlags }) => `${addressText(dst)}:${dport} flags ${tcpFlags}`),
  ),
];

// all of it is on this machine: what is not there soon does not come
const patient = { patienceMs: 500 };
const fromApp = async (to: string) => (await dial(network.pod, application, to, patient)).answer;
const fromProxy = async (to: string) => (await dial(network.pod, proxy, to, patient)).answer;
const syn = 2;

describe('connect() in a pod with a proxy', () => {
  it('goes to the proxy for a pod that it may reach, and to the pod itself, whose SYN is dropped, for one that it may not', async () => {
    expect(await fromApp(`${may.address}:80`)).toBe('proxy');
    expect(await fromApp(`${mayNot.address}:80`)).toBe('TIMEOUT');
    expect(dropped()).toEqual([`${mayNot.address}:80 flags ${syn}`]);
    expect(await fromApp(`[::ffff:${mayNot.address}]:80`)).toBe('TIMEOUT');
    expect(dropped()).toEqual([`${mayNot.address}:80 flags ${syn}`]);
    expect(await fromApp(`[${mayNot.address6}]:80`)).toBe('TIMEOUT');
    expect(dropped()).toEqual([`${mayNot.address6}:80 flags ${syn}`]);
  });

  it('goes to the proxy for a service of which one backend may be reached, though others may not', async () => {
    services.write([service(virtual, [mayNot.address, may.address]), service(virtual6, [mayNot.address, mayNot.address6, may.address])]);
    for (let round = 0; round < 20; round += 1) expect(await fromApp(`${virtual}:80`)).toBe('proxy');
    expect(await fromApp(`[${virtual6}]:80`)).toBe('proxy');
    expect(dropped()).toEqual([]);
  });

  it('goes to a backend, whose SYN is dropped, for a service of which none may be reached', async () => {
    services.write([service(virtual, [mayNot.address, mayNot.address]), service(virtual6, [mayNot.address6])]);
    expect(await fromApp(`${virtual}:80`)).toBe('TIMEOUT');
    expect(dropped()).toEqual([`${mayNot.address}:80 flags ${syn}`]);
    expect(await fromApp(`[${virtual6}]:80`)).toBe('TIMEOUT');
    expect(dropped()).toEqual([`${mayNot.address6}:80 flags ${syn}`]);
  });

  it("is refused at once, and told, where the pod wants that: by the pod's egress, by the destination's ingress, for services too", async () => {
    setPod({ reject: true });
    services.write([service(virtual, [mayNot.address])]);
    for (const [to, told] of [
      [`${mayNot.address}:80`, mayNot.address],
      [`${virtual}:80`, virtual],
      [`[${mayNot.address6}]:80`, mayNot.address6],
    ] as const) {
      expect(await fromApp(to)).toBe('ECONNREFUSED');
      expect(dropped()).toEqual([`${told}:80 flags ${syn}`]);
    }
    expect(await fromApp(`${may.address}:80`)).toBe('proxy');
    // nothing is said of the pod itself, but of whom it dials
    node.plane.maps.subjects.set(testPod.identity, { policy: 0, flags: 0 });
    node.plane.maps.subjects.set(may.identity, { policy: 99, flags: 2 });
    bump(node.plane.maps);
    expect(await fromApp(`${may.address}:80`)).toBe('ECONNREFUSED');
    node.plane.maps.subjects.delete(may.identity);
    expect(await fromApp(`${may.address}:80`)).toBe('proxy');
  });

  it('is the proxy’s to judge for a service with more backends than the hook looks at, and nothing passes then', async () => {
    services.write([
      service(
        virtual,
        Array.from({ length: 33 }, () => mayNot.address),
      ),
    ]);
    expect(await fromApp(`${virtual}:80`)).toBe('proxy');
    expect(await fromProxy(`${virtual}:80`)).toBe('TIMEOUT');
    expect(dropped()).toEqual([`${mayNot.address}:80 flags ${syn}`]);
    // the last number that is looked at
    services.write([
      service(
        virtual,
        Array.from({ length: 32 }, () => mayNot.address),
      ),
    ]);
    expect(await fromApp(`${virtual}:80`)).toBe('TIMEOUT');
  });

  it('sends no datagram to whom it may not reach', async () => {
    setPod({ reject: true });
    const to = endpoint(`${mayNot.address}:5300`);
    const listening = socketAs(network.outside, root, { family: 4, type: 'udp', bind: to });
    const sending = socketAs(network.pod, application, { family: 4, type: 'udp' });
    expect(await connectOn(sending, `${mayNot.address}:5300`, application)).toBeNull();
    sendBytes(sending, Buffer.from('hello'));
    await sleep(100);
    expect(receiveBytes(listening)).toBeNull();
    expect(dropped()).toEqual([`${mayNot.address}:5300 flags 0`]);
    for (const fd of [listening, sending]) closeFd(fd);
  });

  it('never passes the proxy by when the backends of a service change under it', async () => {
    const lists = [service(virtual, [mayNot.address]), service(virtual, [may.address])];
    const past: FlowEvent[] = [];
    let changing = true;
    const change = async (): Promise<void> => {
      for (let round = 0; changing; round += 1) {
        services.write(lists.slice(round % 2, (round % 2) + 1));
        if (round % 64 !== 0) continue;
        past.push(...events().filter(({ dst }) => addressText(dst) === may.address));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const directory = mkdtempSync(join(tmpdir(), 'millrace-connect-'));
    chmodSync(directory, 0o755);
    cleanup.defer(() => rmSync(directory, { recursive: true }));
    const storm = join(directory, 'storm');
    const source = new URL('../support/connect-storm.c', import.meta.url).pathname;
    execFileSync(findProgram(llvmNames('clang')) ?? 'clang', ['-O2', '-Wall', '-Werror', source, '-o', storm], { stdio: 'pipe' });
    const enter = [`--net=${network.pod.path}`, '--setuid', '1000', '--setgid', '1000', '--'];
    const over = promisify(execFile)('nsenter', [...enter, storm, virtual, '80', '2000', '1']);
    const changes = change();
    const [tried = 0, connected = 0] = (
      await over.finally(() => {
        changing = false;
      })
    ).stdout
      .split(' ')
      .map(Number);
    await changes;
    process.stdout.write(`${tried} connections were tried, ${connected} went to the proxy\n`);
    expect(connected).toBeGreaterThan(100);
    expect(connected).toBeLessThan(tried);
    // nobody but the application speaks in this pod
    expect(past).toEqual([]);
  });
});

describe('policy without what the hook knows', () => {
  const maps = () => node.plane.maps;
  const cookie = () => network.pod.handle.cookie;
  it.each<readonly [string, () => unknown]>([
    ['the list of services', () => services.write([])],
    ['the epoch', () => changeSettings(maps(), { policyEpoch: 0 })],
    ['the list of rows', () => maps().policy.deleteMany([...maps().policy.keys()])],
    ['the row of the pod for policy', () => maps().endpoints.delete(cookie())],
    ['the row of the pod for redirection', () => maps().pods.delete(cookie())],
    ['the program', () => rmSync(node.plane.pins.link('mr_connect4'))],
  ])('lets nothing pass when %s is gone', async (_what, take) => {
    services.write([service(virtual, [mayNot.address])]);
    take();
    const targets = [`${mayNot.address}:80`, `${virtual}:80`];
    const answers = await Promise.all([...targets.map(fromApp), ...targets.map(fromProxy)]);
    expect(answers).not.toContain('denied');
    expect(answers).toContain('TIMEOUT');
  });
});
