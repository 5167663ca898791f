import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readFlowEvent } from '../../src/abi/gen/index.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { createNetns } from '../../src/conformance/network.ts';
import { BpfObject, closeFd, inNetns, isSysError, netnsInterfaces } from '../../src/kernel/index.ts';
import { check, libc } from '../../src/kernel/libc.ts';
import { RingReader } from '../../src/kernel/ring.ts';
import { receiveBytes, sendBytes } from '../../src/kernel/socket-io.ts';
import { HostPrograms } from '../../src/policy-tables/index.ts';
import { endpointRow } from '../../src/policy-tables/rows.ts';
import type { DataPlaneMaps } from '../../src/redirect/ebpf/maps.ts';
import { openMaps } from '../../src/redirect/ebpf/maps.ts';
import type { Pins } from '../../src/redirect/ebpf/pins.ts';
import { pinnedPodLinks, pinnedPolicyLinks, pinsAt, removePins } from '../../src/redirect/ebpf/pins.ts';
import { changeSettings } from '../../src/redirect/ebpf/settings.ts';
import { compileBpf } from '../support/compile-bpf.ts';
import type { PodNetwork, TestNetns } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { frame4, icmp, protocols, tcp } from '../support/packets.ts';
import type { TestRow } from '../support/policy-kernel.ts';
import { enforce, pod as testPod } from '../support/policy-kernel.ts';
import { scratchBpffs } from '../support/scratch-kernel.ts';
import { connectOn, dial, endpoint, listen, root, socketAs } from '../support/tcp.ts';

const { tcp: TCP, udp: UDP, icmp: ICMP, icmp6: ICMP6 } = protocols;
// the pod is 10.9.0.2 and fd00:9::2 on eth0; what the node calls eth0 is the other end of it
const server = '10.9.0.1';
const server6 = '[fd00:9::1]';

const cleanup = new Cleanup();
const elf = compileBpf('bpf/tests/policy_only.bpf.c');
let network: PodNetwork;
let object: BpfObject;
let maps: DataPlaneMaps;
let pins: Pins;
let host: HostPrograms;
let ring: RingReader;

beforeAll(async () => {
  network = cleanup.use(await createPodNetwork());
  const bpffs = cleanup.use(scratchBpffs());
  pins = pinsAt(bpffs.path);
  cleanup.defer(() => removePins(pins));
  for (const directory of [pins.map(''), pins.link('')]) mkdirSync(directory, { recursive: true });
  object = await BpfObject.load(elf, { name: 'policy' });
  cleanup.defer(() => object.close());
  maps = openMaps(object);
  cleanup.defer(() => {
    for (const map of Object.values(maps)) map.close();
  });
  ring = cleanup.use(new RingReader(maps.flows.fd));
  host = new HostPrograms(object, maps, pins, network.outside.handle);
  changeSettings(maps, { policyEpoch: 1, aggregation: 2 });
  setPod({});
  await host.guard(network.pod.handle);
  cleanup.use(await listen(network.outside, root, 'web', '[::]:80', { dual: true }));
  cleanup.use(await listen(network.pod, root, 'app', '[::]:8080', { dual: true }));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const web: readonly TestRow[] = [
  { action: 'ALLOW', protocol: TCP, port: 80 },
  { action: 'ALLOW', protocol: UDP, port: 53 },
];

beforeEach(() => {
  setPod({});
  enforce(maps, ['egress', 'ingress'], web);
  events();
});

function setPod({ forwards = false, addresses = ['10.9.0.2', 'fd00:9::2'] }): void {
  const { cookie } = network.pod.handle;
  const row = endpointRow({ cookie, identity: testPod.identity, addresses, audit: false, reject: false, forwards });
  maps.endpoints.set(cookie, row);
}

function events(): { readonly type: number; readonly subtype: number; readonly dport: number; readonly direction: number }[] {
  const seen: ReturnType<typeof readFlowEvent>[] = [];
  ring.consume((view, offset) => void seen.push(readFlowEvent(view, offset)), 100_000);
  return seen;
}

const fromPod = async (to: string) => (await dial(network.pod, root, to)).answer;
const toPod = async (to: string) => (await dial(network.outside, root, to)).answer;
/** A server that sends back what it gets, and a connection to it. */
async function echo(from: TestNetns, to: TestNetns, at: string): Promise<{ say: (text: string) => Promise<string>; end: () => void }> {
  const address = endpoint(at);
  const listening = socketAs(to, root, {
    family: address.address.length === 4 ? 4 : 6,
    type: 'tcp',
    bind: address,
    listen: 8,
    reuse: true,
  });
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen({ fd: listening }, resolve));
  const fd = socketAs(from, root, { family: address.address.length === 4 ? 4 : 6, type: 'tcp' });
  expect(await connectOn(fd, at)).toBeNull();
  const socket = new Socket({ fd });
  const heard: string[] = [];
  socket.on('data', (data) => heard.push(data.toString()));
  socket.on('error', () => socket.destroy());
  return {
    say: async (text) => {
      socket.write(text);
      for (let waited = 0; waited < 500 && !heard.join('').includes(text); waited += 20) await sleep(20);
      return heard.join('').includes(text) ? text : 'nothing';
    },
    end: () => {
      socket.destroy();
      server.close();
    },
  };
}

/** Sends one datagram each way; says how far it came. */
async function datagram(from: TestNetns, to: TestNetns, at: string, protocol?: number): Promise<'nothing' | 'there' | 'there and back'> {
  const address = endpoint(at);
  const family = address.address.length === 4 ? 4 : 6;
  const listening = socketAs(to, root, { family, type: 'udp', bind: address });
  const sending = socketAs(from, root, { family, type: 'udp', ...(protocol === undefined ? {} : { protocol }) });
  try {
    sendBytes(sending, Buffer.from('hello'), { to: address });
    await sleep(100);
    const received = receiveBytes(listening);
    if (received?.from == null) return 'nothing';
    sendBytes(listening, Buffer.from('hello'), { to: received.from });
    await sleep(100);
    return receiveBytes(sending) === null ? 'there' : 'there and back';
  } finally {
    closeFd(listening);
    closeFd(sending);
  }
}

/** One echo request through the kernel's own ping sockets. */
async function ping(from: TestNetns, to: string, family: 4 | 6): Promise<boolean> {
  from.sysctl('ipv4/ping_group_range', '0 2147483647');
  const fd = socketAs(from, root, { family, type: 'udp', protocol: family === 4 ? ICMP : ICMP6 });
  try {
    sendBytes(fd, icmp(family === 4 ? 8 : 128, 0), { to: endpoint(`${to}:0`) });
    await sleep(150);
    return receiveBytes(fd) !== null;
  } catch (error) {
    // what is dropped on its way out of the sender's own interface
    if (isSysError(error, 'ENOBUFS')) return false;
    throw error;
  } finally {
    closeFd(fd);
  }
}

/** Puts a whole Ethernet frame on the pod's cable. */
function sendFrame(frame: Buffer): void {
  const index = netnsInterfaces(network.pod.handle).get('eth0') ?? 0;
  const AF_PACKET = 17;
  const SOCK_RAW = 3;
  const fd = inNetns(network.pod.handle, () => check(libc().socket(AF_PACKET, SOCK_RAW, 0), 'socket(packet)'));
  try {
    // struct sockaddr_ll: family, protocol, interface
    const to = Buffer.alloc(20);
    to.writeUInt16LE(AF_PACKET, 0);
    to.writeInt32LE(index, 4);
    check(libc().sendto(fd, frame, frame.length, 0, to, to.length), 'sendto(packet)');
  } finally {
    closeFd(fd);
  }
}

describe('a pod under policy', () => {
  it('connects where it may, over both families, and times out where it may not', async () => {
    expect([await fromPod(`${server}:80`), await fromPod(`${server6}:80`)]).toEqual(['web', 'web']);
    expect(events().filter(({ type }) => type === 1)).toEqual([]);
    // nothing listens there: a packet that came through would be answered at once
    expect([await fromPod(`${server}:81`), await fromPod(`${server6}:81`)]).toEqual(['TIMEOUT', 'TIMEOUT']);
    const told = events();
    expect(told.slice(0, 2)).toMatchObject([
      { type: 5, subtype: 133, dport: 81, direction: 1, tcpFlags: 2 },
      { type: 1, subtype: 133, dport: 81, direction: 1, tcpFlags: 2 },
    ]);
  });

  it('is reached where it may be, and by nobody else', async () => {
    expect([await toPod('10.9.0.2:8080'), await toPod('[fd00:9::2]:8080')]).toEqual(['TIMEOUT', 'TIMEOUT']);
    enforce(maps, ['ingress'], [{ direction: 'ingress', action: 'ALLOW', protocol: TCP, port: 8080 }]);
    expect([await toPod('10.9.0.2:8080'), await toPod('[fd00:9::2]:8080'), await toPod('10.9.0.2:8081')]).toEqual([
      'app',
      'app',
      'TIMEOUT',
    ]);
  });

  it('speaks and is answered by UDP', async () => {
    expect(await datagram(network.pod, network.outside, `${server}:53`)).toBe('there and back');
    expect(await datagram(network.pod, network.outside, `${server6}:53`)).toBe('there and back');
    expect(await datagram(network.pod, network.outside, `${server}:54`)).toBe('nothing');
    expect(await datagram(network.outside, network.pod, '10.9.0.2:53')).toBe('nothing');
  });

  it('sends datagrams in fragments where it may', async () => {
    const big = async (port: number) => {
      const listening = socketAs(network.outside, root, { family: 4, type: 'udp', bind: endpoint(`${server}:${port}`) });
      const sending = socketAs(network.pod, root, { family: 4, type: 'udp' });
      try {
        sendBytes(sending, Buffer.alloc(6000, 7), { to: endpoint(`${server}:${port}`) });
        await sleep(100);
        return receiveBytes(listening, 10_000)?.data.length ?? 0;
      } finally {
        closeFd(listening);
        closeFd(sending);
      }
    };
    expect([await big(53), await big(54)]).toEqual([6000, 0]);
  });

  it('pings and is pinged by the rules for ICMP', async () => {
    expect([await ping(network.pod, server, 4), await ping(network.pod, server6, 6)]).toEqual([false, false]);
    enforce(
      maps,
      ['egress', 'ingress'],
      [
        { action: 'ALLOW', protocol: ICMP, port: 8 << 8, portBits: 8 },
        { action: 'ALLOW', protocol: ICMP6, port: 128 << 8, portBits: 8 },
      ],
    );
    expect([await ping(network.pod, server, 4), await ping(network.pod, server6, 6)]).toEqual([true, true]);
    expect([await ping(network.outside, '10.9.0.2', 4), await ping(network.outside, '[fd00:9::2]', 6)]).toEqual([false, false]);
  });

  it('hears of a closed port by ICMP, which is related to what it sent', async () => {
    const fd = socketAs(network.pod, root, { family: 4, type: 'udp' });
    expect(await connectOn(fd, `${server}:53`)).toBeNull();
    sendBytes(fd, Buffer.from('hello'));
    await sleep(100);
    expect(() => sendBytes(fd, Buffer.from('hello'))).toThrow('ECONNREFUSED');
    closeFd(fd);
  });

  it('loses a live connection when policy is tightened, and nothing more comes through from either side', async () => {
    enforce(maps, ['egress', 'ingress'], [...web, { action: 'ALLOW', protocol: TCP, port: 9000 }]);
    const live = await echo(network.pod, network.outside, `${server}:9000`);
    try {
      expect([await live.say('one'), await live.say('two')]).toEqual(['one', 'two']);
      enforce(maps, ['egress', 'ingress'], [...web, { action: 'ALLOW', protocol: TCP, port: 9000 }]);
      expect(await live.say('three')).toBe('three');
      events();
      enforce(maps, ['egress', 'ingress'], web);
      expect(await live.say('four')).toBe('nothing');
      expect(events()[0]).toMatchObject({ type: 5, subtype: 133, dport: 9000 });
    } finally {
      live.end();
    }
  });

  it('is judged behind a VLAN tag, which the kernel keeps outside of the packet', () => {
    for (const port of [80, 81]) sendFrame(frame4({ protocol: TCP, src: '10.9.0.2', dst: server }, tcp(4000, port), [5]));
    expect(events()).toMatchObject([
      { type: 5, subtype: 0, dport: 80, length: 58 - 4 },
      { type: 4, dport: 80 },
      { type: 5, subtype: 133, dport: 81 },
      { type: 1, subtype: 133, dport: 81 },
    ]);
  });

  it('is no other pod: what it sends from an address that is not its own goes nowhere', async () => {
    expect((await dial(network.pod, root, `${server}:80`, { from: '10.9.0.22:0' })).answer).toBe('TIMEOUT');
    expect(events()[0]).toMatchObject({ type: 1, subtype: 132 });
    setPod({ forwards: true });
    expect((await dial(network.pod, root, `${server}:80`, { from: '10.9.0.22:0' })).answer).toBe('web');
  });
});

describe('HostPrograms', () => {
  it('finds the other end of every interface, pins two programs there, and mends what is gone', async () => {
    const guard = await host.guard(network.pod.handle, 'repair');
    const index = netnsInterfaces(network.outside.handle).get('eth0') ?? 0;
    expect(guard).toEqual({
      interfaces: [{ podName: 'eth0', podIndex: expect.any(Number) as number, index }],
      unseen: [],
      moved: [],
      attached: [],
    });
    expect((await pinnedPolicyLinks(pins)).map(({ program }) => program).sort()).toEqual(['mr_policy_from_pod', 'mr_policy_to_pod']);
    // they are the node's, not the pod's
    expect(await pinnedPodLinks(pins)).toEqual([]);
    const path = pins.link('mr_policy_to_pod', network.pod.handle.cookie, index);
    rmSync(path);
    expect((await host.guard(network.pod.handle, 'repair')).attached).toEqual(['mr_policy_to_pod']);
    expect(existsSync(path)).toBe(true);
    expect(await host.guarded()).toEqual(new Set([network.pod.handle.cookie]));
  });

  it('guards interfaces that come later, says which ones it cannot see, and forgets those that went', async () => {
    using elsewhere = await createNetns();
    network.pod.ip(`link add eth1 type veth peer name second netns ${network.outside.pid}\n`);
    network.pod.ip(`link add away type veth peer name third netns ${elsewhere.pid}\nlink add own0 type veth peer name own1\n`);
    const guard = await host.guard(network.pod.handle);
    expect(guard.interfaces.map(({ podName }) => podName)).toEqual(['eth0', 'eth1']);
    expect(guard.unseen).toEqual(['away']);
    expect(guard.attached).toEqual(['mr_policy_from_pod', 'mr_policy_to_pod']);
    network.pod.ip('link del eth1\nlink del away\nlink del own0\n');
    expect((await host.guard(network.pod.handle)).interfaces).toHaveLength(1);
    expect([(await pinnedPolicyLinks(pins)).length, maps.hostInterfaces.count()]).toEqual([2, 1]);
  });

  it('goes on with another process, which puts its own programs in place without a gap', async () => {
    const before = object.program('mr_policy_from_pod').id;
    using next = await BpfObject.load(elf, { name: 'policy', maps: { mr_policy: { reuse: maps.policy.fd } } });
    expect(next.program('mr_policy_from_pod').id).not.toBe(before);
    const other = new HostPrograms(next, maps, pins, network.outside.handle);
    expect((await other.guard(network.pod.handle, 'replace')).attached).toEqual([]);
    expect((await host.guard(network.pod.handle, 'replace')).attached).toEqual([]);
    expect(await fromPod(`${server}:81`)).toBe('TIMEOUT');
  });

  it("leaves others' programs where they are, and lets everything pass when it is gone", async () => {
    using foreign = await BpfObject.load(elf, { name: 'foreign' });
    const index = netnsInterfaces(network.outside.handle).get('eth0') ?? 0;
    using link = inNetns(network.outside.handle, () => foreign.program('mr_policy_to_pod').attachTcx(index, 'ingress'));
    await host.guard(network.pod.handle);
    expect(await fromPod(`${server}:81`)).toBe('TIMEOUT');
    await host.unguard(network.pod.handle.cookie);
    expect(await fromPod(`${server}:81`)).toBe('ECONNREFUSED');
    expect(link.info().target).toEqual({ kind: 'tcx', interfaceIndex: index });
    expect([await pinnedPolicyLinks(pins), maps.hostInterfaces.count()]).toEqual([[], 0]);
    await host.guard(network.pod.handle);
    expect(await fromPod(`${server}:81`)).toBe('TIMEOUT');
    expect(link.info().target).toEqual({ kind: 'tcx', interfaceIndex: index });
  });
});
