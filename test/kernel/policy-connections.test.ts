import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Conntrack } from '../../src/abi/gen/index.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { changeSettings } from '../../src/redirect/ebpf/settings.ts';
import { ethernet, frame4, frame6, icmp, ipv4, ipv6, protocols, sctp, tcp, tcpFlags, udp } from '../support/packets.ts';
import type { PolicyKernel, TestRow } from '../support/policy-kernel.ts';
import { bump, enforce, openPolicyKernel, pod } from '../support/policy-kernel.ts';

const { tcp: TCP, udp: UDP, icmp: ICMP, icmp6: ICMP6, sctp: SCTP } = protocols;
const { fin, syn, rst, ack } = tcpFlags;
const out = { src: '10.0.0.2', dst: '10.0.0.3' };
const back = { src: '10.0.0.3', dst: '10.0.0.2' };
const seconds = 1_000_000_000n;

const cleanup = new Cleanup();
let kernel: PolicyKernel;

beforeAll(async () => {
  kernel = cleanup.use(await openPolicyKernel());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const web: readonly TestRow[] = [
  { action: 'ALLOW', protocol: TCP, port: 80 },
  { action: 'ALLOW', protocol: UDP, port: 53 },
  { action: 'ALLOW', protocol: SCTP, port: 9 },
  { action: 'ALLOW', protocol: ICMP, port: 8 << 8, portBits: 8 },
  { action: 'ALLOW', protocol: ICMP6, port: 128 << 8, portBits: 8 },
];

beforeEach(() => {
  changeSettings(kernel.maps, { aggregation: 2 });
  enforce(kernel.maps, ['egress', 'ingress'], web);
  kernel.forget();
});

const send = (flags: number, dport = 80, sport = 4000) => kernel.run('egress', frame4({ protocol: TCP, ...out }, tcp(sport, dport, flags)));
const answer = (flags: number, sport = 80, dport = 4000) =>
  kernel.run('ingress', frame4({ protocol: TCP, ...back }, tcp(sport, dport, flags)));
const shake = () => [send(syn), answer(syn | ack), send(ack)];

/** The one connection that there is, and in which table. */
function connection(): Conntrack & { readonly table: 'opening' | 'conntrack'; readonly left: number } {
  const found = (['opening', 'conntrack'] as const).flatMap((table) =>
    [...kernel.maps[table].entries()].map(([, value]) => ({ ...value, table, left: Number((value.expiresNs - now()) / seconds) })),
  );
  const [only, second] = found;
  if (only === undefined || second !== undefined) throw new Error(`${found.length} connections`);
  return only;
}

const now = () => process.hrtime.bigint();

/** Makes every connection look as if its time had passed. */
function age(): void {
  for (const table of [kernel.maps.opening, kernel.maps.conntrack])
    for (const [key, value] of [...table.entries()]) table.set(key, { ...value, expiresNs: 1n });
}

describe('the life of a TCP connection', () => {
  it('goes from a first packet that is told of to one that is confirmed', () => {
    expect(send(syn)).toBe('pass');
    expect(kernel.told()).toEqual(['verdict 0', 'trace 3']);
    expect(connection()).toMatchObject({ table: 'opening', flags: 0, peer: 300, forwardPackets: 1n, forwardBytes: 54n });
    expect(connection().left).toBeGreaterThanOrEqual(58);
    expect(answer(syn | ack)).toBe('pass');
    expect(kernel.told()).toEqual(['trace 0 reply']);
    expect(connection()).toMatchObject({ table: 'opening', flags: 1, backPackets: 1n });
    expect(send(ack)).toBe('pass');
    expect(connection()).toMatchObject({ table: 'conntrack', flags: 1, forwardPackets: 2n });
    expect(connection().left).toBeGreaterThanOrEqual(7998);
    expect(kernel.told()).toEqual([]);
  });

  it('is what an answer needs: without it a packet is a new one', () => {
    expect(answer(syn | ack)).toBe('drop');
    expect(answer(ack)).toBe('drop');
    shake();
    expect(answer(ack)).toBe('pass');
    expect(answer(ack, 80, 4001)).toBe('drop');
    expect(kernel.run('ingress', frame4({ protocol: TCP, src: '10.0.0.4', dst: '10.0.0.2' }, tcp(80, 4000, ack)))).toBe('drop');
    expect(kernel.run('ingress', frame4({ protocol: UDP, ...back }, udp(80, 4000)))).toBe('drop');
  });

  it('ends ten seconds after both sides have, or one has reset it', () => {
    shake();
    send(fin | ack);
    expect(connection()).toMatchObject({ flags: 1 | 2 });
    expect(connection().left).toBeGreaterThan(7990);
    answer(fin | ack);
    expect(connection().flags & 8).toBe(8);
    expect(connection().left).toBeLessThanOrEqual(10);
    send(ack);
    expect(connection().left).toBeLessThanOrEqual(10);
    kernel.forget();
    shake();
    answer(rst);
    expect(connection().left).toBeLessThanOrEqual(10);
    expect(kernel.told().filter((words) => words === 'trace 0 reply')).toHaveLength(2);
  });

  it('begins again by a SYN when it was closed, and is asked for again', () => {
    shake();
    send(fin | ack);
    answer(fin | ack);
    kernel.told();
    expect(send(syn)).toBe('pass');
    expect(kernel.told()).toEqual(['verdict 0', 'trace 3']);
    expect(connection()).toMatchObject({ table: 'opening', flags: 0, forwardPackets: 1n });
    answer(rst);
    enforce(kernel.maps, ['egress', 'ingress'], []);
    expect(send(syn)).toBe('drop');
  });

  it('ends with its time, in both directions', () => {
    shake();
    age();
    expect(answer(ack)).toBe('drop');
    expect(kernel.told().slice(-2)).toEqual(['verdict 133', 'drop 133']);
    expect(send(ack)).toBe('pass');
    expect(kernel.told()).toEqual(['verdict 0', 'trace 3']);
    expect(answer(ack)).toBe('pass');
  });

  it('is never answered by a SYN: that is a connection of its own', () => {
    shake();
    expect(answer(syn)).toBe('drop');
    expect(answer(ack)).toBe('pass');
    enforce(kernel.maps, ['egress', 'ingress'], [...web, { direction: 'ingress', action: 'ALLOW', protocol: TCP, port: 4000 }]);
    expect(answer(syn)).toBe('pass');
    // the older one is over: its answers would be taken for this one's
    expect(connection()).toMatchObject({ table: 'opening' });
    enforce(kernel.maps, ['ingress', 'egress'], [{ direction: 'ingress', action: 'ALLOW', protocol: TCP, port: 4000 }]);
    expect(send(syn | ack)).toBe('pass');
  });

  it('stays when a flood of first packets comes, and leaves room for new ones', () => {
    shake();
    const flood = frame4({ protocol: TCP, ...out }, tcp(5000, 80, syn));
    for (let index = 0; index < 100_000; index += 1) {
      flood.writeUInt16BE(index & 0xffff, 34);
      flood.writeUInt8(10 + (index >> 16), 33);
      kernel.run('egress', flood);
    }
    expect(kernel.maps.conntrack.count()).toBe(1);
    expect(kernel.maps.opening.count()).toBeLessThanOrEqual(32768);
    expect(answer(ack)).toBe('pass');
    expect([send(syn, 80, 4500), answer(syn | ack, 80, 4500), send(ack, 80, 4500)]).toEqual(['pass', 'pass', 'pass']);
  });
});

describe('connections of another pod', () => {
  it('stay when a pod floods with datagrams that it may send', () => {
    const [mine, others] = [pod.cookie, pod.cookie + 1n];
    const row = kernel.maps.endpoints.get(mine);
    if (row === null) throw new Error('no endpoint');
    const datagram = () => kernel.run('egress', frame4({ protocol: UDP, ...out }, udp(4000, 53)));
    const reply = () => kernel.run('ingress', frame4({ protocol: UDP, ...back }, udp(53, 4000)));
    shake();
    expect([datagram(), reply(), datagram()]).toEqual(['pass', 'pass', 'pass']);
    kernel.maps.endpoints.set(others, row);
    kernel.maps.hostInterfaces.set(1, others);
    const flood = frame4({ protocol: UDP, ...out }, udp(5000, 53));
    for (let index = 0; index < 100_000; index += 1) {
      flood.writeUInt16BE(index & 0xffff, 34);
      flood.writeUInt8(10 + (index >> 16), 33);
      kernel.run('egress', flood);
    }
    expect(kernel.maps.opening.count()).toBeLessThanOrEqual(32768);
    kernel.maps.hostInterfaces.set(1, mine);
    kernel.maps.endpoints.delete(others);
    expect(kernel.maps.conntrack.count()).toBe(2);
    expect([answer(ack), reply()]).toEqual(['pass', 'pass']);
  });
});

describe('policy that changes', () => {
  it('cuts a connection that lost its right, from either side, and reports it', () => {
    for (const first of ['send', 'answer'] as const) {
      enforce(kernel.maps, ['egress', 'ingress'], web);
      kernel.forget();
      shake();
      kernel.told();
      enforce(kernel.maps, ['egress', 'ingress'], []);
      expect(first === 'send' ? send(ack) : answer(ack)).toBe('drop');
      expect(kernel.told()).toEqual(first === 'send' ? ['verdict 133', 'drop 133'] : ['verdict 133 reply', 'drop 133 reply']);
      expect(kernel.maps.conntrack.count()).toBe(0);
      expect([send(ack), answer(ack)]).toEqual(['drop', 'drop']);
    }
  });

  it('asks once for each epoch and goes on where the right is still there', () => {
    shake();
    kernel.told();
    const { epoch } = connection();
    bump(kernel.maps);
    expect([answer(ack), send(ack)]).toEqual(['pass', 'pass']);
    expect(connection().epoch).toBe(epoch + 1);
    expect(kernel.told()).toEqual([]);
    // what the tables say does not matter until the epoch moves: connections keep their verdict
    kernel.maps.policy.deleteMany([...kernel.maps.policy.keys()]);
    expect([answer(ack), send(ack)]).toEqual(['pass', 'pass']);
    bump(kernel.maps);
    expect([answer(ack), send(ack)]).toEqual(['drop', 'drop']);
  });

  it('ends an audit: what passed only for it is dropped', () => {
    enforce(kernel.maps, ['egress', 'ingress'], []);
    const row = kernel.maps.endpoints.get(pod.cookie);
    if (row === null) throw new Error('no endpoint');
    kernel.maps.endpoints.set(pod.cookie, { ...row, flags: 1 });
    expect(shake()).toEqual(['pass', 'pass', 'pass']);
    expect(connection().flags & 16).toBe(16);
    kernel.maps.endpoints.set(pod.cookie, row);
    bump(kernel.maps);
    expect([send(ack), answer(ack)]).toEqual(['drop', 'drop']);
  });
});

describe('what is no TCP', () => {
  it('is answered for a minute', () => {
    expect(kernel.run('ingress', frame4({ protocol: UDP, ...back }, udp(53, 4000)))).toBe('drop');
    expect(kernel.run('egress', frame4({ protocol: UDP, ...out }, udp(4000, 53)))).toBe('pass');
    expect(kernel.run('ingress', frame4({ protocol: UDP, ...back }, udp(53, 4000)))).toBe('pass');
    expect(connection().left).toBeGreaterThanOrEqual(58);
    expect(connection()).toMatchObject({ table: 'opening' });
    expect(kernel.run('egress', frame4({ protocol: UDP, ...out }, udp(4000, 53)))).toBe('pass');
    expect(connection()).toMatchObject({ table: 'conntrack' });
    expect(kernel.run('egress', frame4({ protocol: SCTP, ...out }, sctp(4000, 9)))).toBe('pass');
    expect(kernel.run('ingress', frame4({ protocol: SCTP, ...back }, sctp(9, 4000)))).toBe('pass');
  });

  it('may be an echo request, which one reply belongs to', () => {
    for (const [make, request, reply, protocol] of [
      [frame4, 8, 0, ICMP],
      [frame6, 128, 129, ICMP6],
    ] as const) {
      const [to, from] =
        make === frame4
          ? [out, back]
          : [
              { src: 'fd00::2', dst: 'fd00::3' },
              { src: 'fd00::3', dst: 'fd00::2' },
            ];
      const packet = (way: typeof to, type: number, id: number) =>
        make({ protocol, next: protocol, ...way } as Parameters<typeof frame4>[0] & Parameters<typeof frame6>[0], icmp(type, 0, id));
      expect(kernel.run('ingress', packet(from, reply, 7))).toBe('drop');
      expect(kernel.run('egress', packet(to, request, 7))).toBe('pass');
      expect(kernel.run('ingress', packet(from, reply, 7))).toBe('pass');
      expect(kernel.run('ingress', packet(from, reply, 8))).toBe('drop');
      // an id that looks like a type makes no request of a reply
      expect(kernel.run('egress', packet(to, request, request << 8))).toBe('pass');
      expect(kernel.run('egress', packet(to, reply, request << 8))).toBe('drop');
      // a request from the other side is no answer
      expect(kernel.run('ingress', packet(from, request, 7))).toBe('drop');
      kernel.told();
      enforce(kernel.maps, ['egress', 'ingress'], []);
      expect(kernel.run('ingress', packet(from, reply, 7))).toBe('drop');
      enforce(kernel.maps, ['egress', 'ingress'], web);
    }
  });
});

describe('ICMP errors', () => {
  const inner4 = (sport: number) => ipv4({ protocol: TCP, ...out, length: 1500 }, tcp(sport, 80).subarray(0, 8));
  const error = (type: number, inner: Buffer, dst = '10.0.0.2') =>
    kernel.run('ingress', frame4({ protocol: ICMP, src: '172.16.0.9', dst }, icmp(type, 4, 0, inner)));

  it('come through when they are about a connection of the pod, from whichever router', () => {
    send(syn);
    kernel.told();
    for (const type of [3, 11, 12]) expect(error(type, inner4(4000))).toBe('pass');
    expect(kernel.events().map(({ reason }) => reason)).toEqual([3, 3, 3]);
    expect(error(3, inner4(4001))).toBe('drop');
    expect(error(5, inner4(4000))).toBe('drop');
    expect(error(3, inner4(4000).subarray(0, 24))).toBe('drop');
    // about what somebody else has sent
    expect(error(3, ipv4({ protocol: TCP, ...back }, tcp(80, 4000)))).toBe('drop');
    expect(error(3, ipv4({ protocol: TCP, ...out, offset: 3 }, tcp(4000, 80)))).toBe('drop');
    expect(error(3, inner4(4000), '10.0.0.22')).toBe('drop');
  });

  it('come through no more when policy has changed since, until the connection was asked for again', () => {
    send(syn);
    enforce(kernel.maps, ['egress', 'ingress'], web);
    expect(error(3, inner4(4000))).toBe('drop');
    send(syn);
    expect(error(3, inner4(4000))).toBe('pass');
    enforce(kernel.maps, ['egress', 'ingress'], []);
    expect([error(3, inner4(4000)), send(syn), error(3, inner4(4000))]).toEqual(['drop', 'drop', 'drop']);
  });

  it('come through for IPv6, UDP and echo requests too, and go out for what came in', () => {
    kernel.run('egress', frame6({ next: UDP }, udp(4000, 53)));
    const about = (payload: Buffer, next: number) => ipv6({ next, length: 1400 }, payload);
    const tooBig = (inner: Buffer) => kernel.run('ingress', frame6({ next: ICMP6, src: 'fd00::ff', dst: 'fd00::2' }, icmp(2, 0, 0, inner)));
    expect(tooBig(about(udp(4000, 53), UDP))).toBe('pass');
    expect(tooBig(about(udp(4000, 54), UDP))).toBe('drop');
    kernel.run('egress', frame4({ protocol: ICMP, ...out }, icmp(8, 0, 7)));
    expect(error(11, ipv4({ protocol: ICMP, ...out }, icmp(8, 0, 7)))).toBe('pass');
    expect(error(11, ipv4({ protocol: ICMP, ...out }, icmp(8, 0, 8)))).toBe('drop');
    enforce(kernel.maps, ['ingress', 'egress'], [{ direction: 'ingress', action: 'ALLOW', protocol: UDP, port: 99 }]);
    kernel.run('ingress', frame4({ protocol: UDP, ...back }, udp(5000, 99)));
    const refused = ethernet(0x800, ipv4({ protocol: ICMP, ...out }, icmp(3, 3, 0, ipv4({ protocol: UDP, ...back }, udp(5000, 99)))));
    expect(kernel.run('egress', refused)).toBe('pass');
  });
});

describe('what is told', () => {
  const flow = () => [send(syn), answer(syn | ack), send(ack), send(ack), answer(ack), send(fin | ack)];

  it.each([
    [
      0,
      [
        'verdict 0',
        'trace 5',
        'trace 3',
        'trace 0 reply',
        'trace 5',
        'trace 3',
        'trace 5',
        'trace 3',
        'trace 0 reply',
        'trace 5',
        'trace 3',
      ],
    ],
    [1, ['verdict 0', 'trace 3', 'trace 0 reply', 'trace 3', 'trace 3', 'trace 0 reply', 'trace 3']],
    [2, ['verdict 0', 'trace 3', 'trace 0 reply', 'trace 3']],
  ])('follows aggregation %i', (aggregation, told) => {
    changeSettings(kernel.maps, { aggregation });
    flow();
    expect(kernel.told()).toEqual(told);
  });

  it('is something every five seconds of a connection that goes on', () => {
    flow();
    kernel.told();
    for (const [key, value] of [...kernel.maps.conntrack.entries()])
      kernel.maps.conntrack.set(key, { ...value, traced: value.traced.map((second) => second - 6) });
    send(ack);
    send(ack);
    answer(ack);
    expect(kernel.told()).toEqual(['trace 3', 'trace 0 reply']);
  });
});
