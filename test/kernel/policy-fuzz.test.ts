import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { isSysError } from '../../src/kernel/index.ts';
import type { ReadPacket } from '../support/packet-oracle.ts';
import { readFrame } from '../support/packet-oracle.ts';
import {
  ethernet,
  extended,
  fragmentBody,
  frame4,
  frame6,
  icmp,
  ipv4,
  ipv6,
  mapped,
  protocols,
  sctp,
  tcp,
  tcpFlags,
  udp,
} from '../support/packets.ts';
import type { PolicyKernel, Way } from '../support/policy-kernel.ts';
import { enforce, openPolicyKernel, pod } from '../support/policy-kernel.ts';
import { Random } from '../support/random.ts';

// `npm run fuzz:packets` sets a million
const count = Number(process.env.MILLRACE_FUZZ_PACKETS ?? 20_000);
const seed = Number(process.env.MILLRACE_FUZZ_SEED ?? 1);
const { tcp: TCP, udp: UDP, sctp: SCTP, icmp: ICMP, icmp6: ICMP6, gre } = protocols;

const cleanup = new Cleanup();
let kernel: PolicyKernel;

beforeAll(async () => {
  kernel = cleanup.use(await openPolicyKernel());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

/** TCP 80–95, UDP 53, SCTP 9, echo requests and all of GRE: what may pass, as a function and as rows. */
const mayPass = (protocol: number, port: number): boolean =>
  (protocol === TCP && port >> 4 === 5) ||
  (protocol === UDP && port === 53) ||
  (protocol === SCTP && port === 9) ||
  (protocol === ICMP && port >> 8 === 8) ||
  (protocol === ICMP6 && port >> 8 === 128) ||
  protocol === gre;

const rows = (['egress', 'ingress'] as const).flatMap((direction) =>
  [
    { protocol: TCP, port: 80, portBits: 12 },
    { protocol: UDP, port: 53 },
    { protocol: SCTP, port: 9 },
    { protocol: ICMP, port: 8 << 8, portBits: 8 },
    { protocol: ICMP6, port: 128 << 8, portBits: 8 },
    { protocol: gre },
  ].map((row) => ({ ...row, direction, action: 'ALLOW' as const })),
);

/** Packets to begin from: some pass and some do not. `to`: the addresses of one way. */
function corpus(way: Way): readonly Buffer[] {
  const v4 = way === 'egress' ? { src: '10.0.0.2', dst: '10.0.0.3' } : { src: '10.0.0.3', dst: '10.0.0.2' };
  const v6 = way === 'egress' ? { src: 'fd00::2', dst: 'fd00::3' } : { src: 'fd00::3', dst: 'fd00::2' };
  const all = [
    { kind: 'hop-by-hop' },
    { kind: 'destination' },
    { kind: 'routing', body: Buffer.from([4, 0, 0, 0, 0, 0]) },
    { kind: 'authentication', body: Buffer.alloc(22) },
  ] as const;
  const chain = (extensions: Parameters<typeof extended>[0], protocol: number, payload: Buffer): Buffer => {
    const { next, payload: whole } = extended(extensions, protocol, payload);
    return frame6({ next, ...v6 }, whole);
  };
  return [80, 81, 95, 96].flatMap((port) => [
    frame4({ protocol: TCP, ...v4 }, tcp(4000, port)),
    frame4({ protocol: TCP, ...v4, options: Buffer.from('0101010194040000', 'hex') }, tcp(4000, port, tcpFlags.ack)),
    frame4({ protocol: TCP, ...v4 }, tcp(4000, port), [12]),
    frame4({ protocol: UDP, ...v4 }, udp(4000, port - 27, Buffer.alloc(40))),
    frame4({ protocol: UDP, ...v4, more: true, id: port }, udp(4000, port - 27, Buffer.alloc(8))),
    frame4({ protocol: UDP, ...v4, offset: 2, id: port }, Buffer.alloc(16)),
    frame4({ protocol: SCTP, ...v4 }, sctp(4000, port - 71)),
    frame4({ protocol: ICMP, ...v4 }, icmp(port - 72, 0, 5)),
    frame4({ protocol: ICMP, ...v4 }, icmp(3, 1, 0, ipv4({ protocol: TCP, src: v4.dst, dst: v4.src }, tcp(port, 4000)))),
    frame4({ protocol: gre, ...v4 }, Buffer.alloc(12)),
    frame6({ next: TCP, ...v6 }, tcp(4000, port)),
    chain(all, TCP, tcp(4000, port)),
    chain([{ kind: 'fragment', body: fragmentBody(0, true, port) }], UDP, udp(4000, port - 27, Buffer.alloc(8))),
    chain([{ kind: 'fragment', body: fragmentBody(2, false, port) }], UDP, Buffer.alloc(16)),
    chain([...all, { kind: 'fragment', body: fragmentBody(0, false) }], UDP, udp(4000, port - 27)),
    frame6({ next: ICMP6, ...v6, hopLimit: 255 }, icmp(135, 0)),
    frame6({ next: ICMP6, ...v6 }, icmp(port + 48, 0, 5)),
    frame6({ next: ICMP6, ...v6 }, icmp(1, 0, 0, ipv6({ next: TCP, src: v6.dst, dst: v6.src }, tcp(port, 4000)))),
    ethernet(0x88cc, Buffer.alloc(60)),
  ]);
}

const between = (random: Random, least: number, most: number): number => least + random.below(most - least + 1);

/** One to four changes: bits, bytes, edges of numbers, bytes taken out, put in or cut off at the end. */
function mutate(random: Random, packet: Buffer): Buffer {
  let bytes = Buffer.from(packet);
  for (let change = between(random, 1, 4); change > 0; change -= 1) {
    const at = between(random, 12, bytes.length - 1);
    const edges = [0, 1, 4, 6, 8, 17, 40, 43, 44, 51, 58, 59, 60, 63, 64, 127, 128, 132, 135, 255] as const;
    switch (between(random, 0, 5)) {
      case 0:
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << between(random, 0, 7)), at);
        break;
      case 1:
        bytes.writeUInt8(random.pick(edges), at);
        break;
      case 2:
        bytes.writeUInt8(between(random, 0, 255), at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + between(random, 1, 8)))]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(between(random, 1, 8), random.pick(edges)), bytes.subarray(at)]);
        break;
      default:
        bytes = bytes.subarray(0, Math.max(14, at));
    }
    if (bytes.length < 14) bytes = Buffer.concat([bytes, Buffer.alloc(14)]);
  }
  return bytes;
}

const hexOf = (address: string, family: 4 | 6): string =>
  Buffer.from(mapped(address))
    .subarray(family === 4 ? 12 : 0)
    .toString('hex');
const own = { 4: hexOf(pod.address4, 4), 6: hexOf(pod.address6, 6) } as const;

/** What must happen to a packet; `either` where it depends on connections and fragments that may have been forgotten. */
function expected(frame: Buffer, way: Way, fragments: Map<string, boolean>): 'pass' | 'drop' | 'either' {
  const read = readFrame(frame);
  if (read.kind === 'unreadable') return 'drop';
  if (read.kind === 'link') return way === 'ingress' || (mayUseLink(read.src) && mayClaim(read.claims)) ? 'pass' : 'drop';
  if (way === 'egress' && read.src !== own[read.family]) return 'drop';
  if (read.protocol === null) return fragments.get(read.fragment?.id ?? '') === true ? 'either' : 'drop';
  const passes = mayPass(read.protocol, read.port);
  if (read.fragment?.first === true) fragments.set(read.fragment.id, passes);
  if (passes) return 'pass';
  return read.about !== null && concernsAllowed(read) ? 'either' : 'drop';
}

/** Nobody else's address, and no router's part. */
function mayClaim(claims: string | null): boolean {
  return claims === null || claims === own[4] || claims === own[6] || claims === '00000000' || /^fe[89ab].{29}$/.test(claims);
}

/** Neighbours may speak as themselves, link-local or as nobody yet. */
function mayUseLink(src: string | null): boolean {
  return src === null || src === own[6] || /^0{32}$/.test(src) || /^fe[89ab]/.test(src);
}

/** Whether an ICMP error is about an answer of a connection that may be there. */
function concernsAllowed({ about, family, dst }: ReadPacket): boolean {
  // whatever it says, it must speak of a packet that its receiver has sent
  return about !== null && about.toString('hex', family === 4 ? 12 : 8, family === 4 ? 16 : 24) === dst;
}

describe('the packet parser', () => {
  it(`never lets a packet pass that a plain reader would not, and drops none that it would let pass, among ${count} mutated ones`, () => {
    const seen = { pass: 0, drop: 0, either: 0, refused: 0 };
    const random = new Random(seed);
    for (const way of ['egress', 'ingress'] as const) {
      enforce(kernel.maps, ['egress', 'ingress'], rows);
      kernel.forget();
      const fragments = new Map<string, boolean>();
      const packets = corpus(way);
      for (let index = 0; index < count / 2; ) {
        const frame = mutate(random, random.pick(packets));
        const wanted = expected(frame, way, fragments);
        let found: 'pass' | 'drop';
        try {
          found = kernel.run(way, frame);
        } catch (error) {
          // test runs refuse frames whose Ethernet type promises more than there is
          if (!isSysError(error, 'EINVAL')) throw error;
          seen.refused += 1;
          continue;
        }
        if (wanted !== 'either' && found !== wanted)
          expect(`${found}: ${way} ${frame.toString('hex')}`, `seed ${seed}, packet ${index}`).toBe(`${wanted}`);
        seen[wanted] += 1;
        index += 1;
      }
    }
    expect(seen.refused).toBeLessThan(count / 2);
    expect(Math.min(seen.pass, seen.drop)).toBeGreaterThan(count / 20);
  }, 600_000);
});
