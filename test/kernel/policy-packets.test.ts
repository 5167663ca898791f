import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import {
  ethernet,
  extended,
  fragmentBody,
  frame4,
  frame6,
  icmp,
  ipv4,
  ipv6,
  protocols,
  sctp,
  tcp,
  tcpFlags,
  udp,
} from '../support/packets.ts';
import type { PolicyKernel } from '../support/policy-kernel.ts';
import { Drop, deniedBy, enforce, openPolicyKernel, pod, setEndpoint } from '../support/policy-kernel.ts';

const { tcp: TCP, udp: UDP, sctp: SCTP, icmp: ICMP, icmp6: ICMP6 } = protocols;
const hopByHop = { kind: 'hop-by-hop' } as const;
const destination = { kind: 'destination' } as const;
const routing = (left: number) => ({ kind: 'routing', body: Buffer.from([4, left, 0, 0, 0, 0]) }) as const;
const authentication = { kind: 'authentication', body: Buffer.alloc(22) } as const;
const fragment = (offset: number, more: boolean) => ({ kind: 'fragment', body: fragmentBody(offset, more) }) as const;

function chain(extensions: Parameters<typeof extended>[0], protocol: number, payload: Buffer): Buffer {
  const built = extended(extensions, protocol, payload);
  return frame6({ next: built.next }, built.payload);
}

const cleanup = new Cleanup();
let kernel: PolicyKernel;

beforeAll(async () => {
  kernel = cleanup.use(await openPolicyKernel());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(() => {
  setEndpoint(kernel.maps, {});
  enforce(
    kernel.maps,
    ['egress', 'ingress'],
    [
      { action: 'ALLOW', protocol: TCP, port: 80 },
      { action: 'ALLOW', protocol: UDP, port: 53 },
      { action: 'ALLOW', protocol: SCTP, port: 9 },
      { action: 'ALLOW', protocol: ICMP, port: 8 << 8, portBits: 8 },
      { action: 'ALLOW', protocol: ICMP6, port: 128 << 8, portBits: 8 },
      { action: 'ALLOW', protocol: protocols.gre },
    ],
  );
  kernel.forget();
});

const drop = (code: number) => [`drop ${code}`];
const allowed = ['verdict 0', 'trace 3'];

// what the pod sends; allowed are TCP 80, UDP 53, SCTP 9, echo requests and GRE
const arp = (sender: string, tags: readonly number[] = []) =>
  ethernet(0x806, Buffer.concat([Buffer.alloc(14), Buffer.from(sender, 'hex'), Buffer.alloc(10)]), tags);
const advertisement = (src: string, target: string) =>
  frame6({ next: ICMP6, hopLimit: 255, src }, icmp(136, 0, 0, Buffer.from(target, 'hex')));

const sent: readonly (readonly [name: string, packet: Buffer, told: readonly string[]])[] = [
  ['TCP to an allowed port', frame4({ protocol: TCP }, tcp(4000, 80)), allowed],
  ['TCP to another port', frame4({ protocol: TCP }, tcp(4000, 81)), deniedBy(Drop.POLICY)],
  ['UDP to an allowed port', frame4({ protocol: UDP }, udp(4000, 53)), allowed],
  ['UDP to the port that TCP has', frame4({ protocol: UDP }, udp(4000, 80)), deniedBy(Drop.POLICY)],
  ['SCTP to an allowed port', frame4({ protocol: SCTP }, sctp(4000, 9)), allowed],
  ['SCTP to another port', frame4({ protocol: SCTP }, sctp(4000, 10)), deniedBy(Drop.POLICY)],
  ['an echo request', frame4({ protocol: ICMP }, icmp(8, 0, 77)), allowed],
  ['an echo reply that nobody asked for', frame4({ protocol: ICMP }, icmp(0, 0, 77)), deniedBy(Drop.POLICY)],
  ['an ICMP redirect', frame4({ protocol: ICMP }, icmp(5, 0, 0, ipv4({ protocol: TCP }, tcp(1, 80)))), deniedBy(Drop.POLICY)],
  ['ICMPv6 inside IPv4', frame4({ protocol: ICMP6 }, icmp(128, 0, 77)), deniedBy(Drop.POLICY)],
  ['a protocol with a row of its own', frame4({ protocol: protocols.gre }, Buffer.alloc(4)), allowed],
  ['a protocol without one', frame4({ protocol: protocols.udplite }, udp(4000, 53)), deniedBy(Drop.POLICY)],
  ['IGMP', frame4({ protocol: protocols.igmp, dst: '224.0.0.22' }, Buffer.alloc(8)), deniedBy(Drop.POLICY)],
  ['TCP behind a VLAN tag', frame4({ protocol: TCP }, tcp(4000, 80), [12]), allowed],
  ['TCP to another port behind a VLAN tag', frame4({ protocol: TCP }, tcp(4000, 81), [12]), deniedBy(Drop.POLICY)],
  ['TCP behind two VLAN tags', frame4({ protocol: TCP }, tcp(4000, 80), [12, 13]), allowed],
  ['TCP behind three VLAN tags', frame4({ protocol: TCP }, tcp(4000, 80), [12, 13, 14]), drop(Drop.UNKNOWN_L3)],
  ['a VLAN tag with nothing behind it', ethernet(0x8100, Buffer.alloc(2)), drop(Drop.INVALID_PACKET)],
  ['ARP', ethernet(0x806, Buffer.alloc(28)), []],
  ['ARP for its own address', arp('0a000002'), []],
  ["ARP for somebody else's address", arp('0a000009'), drop(Drop.INVALID_SOURCE_IP)],
  ["ARP for somebody else's address behind a VLAN tag", arp('0a000009', [12]), drop(Drop.INVALID_SOURCE_IP)],
  ['ARP that is cut off', ethernet(0x806, Buffer.alloc(10)), drop(Drop.INVALID_SOURCE_IP)],
  ['another protocol on Ethernet', ethernet(0x88cc, Buffer.alloc(40)), drop(Drop.UNKNOWN_L3)],
  ['MPLS', ethernet(0x8847, ipv4({ protocol: TCP }, tcp(4000, 80))), drop(Drop.UNKNOWN_L3)],
  ['TCP behind IPv4 options', frame4({ protocol: TCP, options: Buffer.from('0101010194040000', 'hex') }, tcp(4000, 80)), allowed],
  ['TCP behind forty bytes of options', frame4({ protocol: TCP, options: Buffer.alloc(40, 1) }, tcp(4000, 80)), allowed],
  [
    'a loose source route',
    frame4({ protocol: TCP, options: Buffer.from('01830704c0000201', 'hex') }, tcp(4000, 80)),
    drop(Drop.INVALID_PACKET),
  ],
  [
    'a strict source route',
    frame4({ protocol: TCP, options: Buffer.from('890704c000020100', 'hex') }, tcp(4000, 80)),
    drop(Drop.INVALID_PACKET),
  ],
  // behind a tag, because test runs themselves refuse it otherwise
  ['an IPv4 header that is cut off', ethernet(0x800, Buffer.alloc(12), [12]), drop(Drop.INVALID_PACKET)],
  ['an IPv4 header of four words', frame4({ protocol: TCP, headerWords: 4 }, tcp(4000, 80)), drop(Drop.INVALID_PACKET)],
  ['IPv6 that claims to be IPv4', frame4({ protocol: TCP, version: 6 }, tcp(4000, 80)), drop(Drop.INVALID_PACKET)],
  ['IPv4 longer than what is there', frame4({ protocol: TCP, length: 100 }, tcp(4000, 80)), drop(Drop.INVALID_PACKET)],
  ['IPv4 of no length', frame4({ protocol: TCP, length: 0 }, tcp(4000, 80)), drop(Drop.INVALID_PACKET)],
  ['ports behind the end of the IPv4 packet', frame4({ protocol: TCP, length: 20 }, tcp(4000, 80)), drop(Drop.INVALID_PACKET)],
  ['a TCP header that is cut off', frame4({ protocol: TCP }, tcp(4000, 80).subarray(0, 12)), drop(Drop.INVALID_PACKET)],
  ['a TCP header of four words', frame4({ protocol: TCP }, tcp(4000, 80, tcpFlags.syn, 4)), drop(Drop.INVALID_PACKET)],
  ['a UDP header that is cut off', frame4({ protocol: UDP }, udp(4000, 53).subarray(0, 6)), drop(Drop.INVALID_PACKET)],
  ['an SCTP header that is cut off', frame4({ protocol: SCTP }, sctp(4000, 9).subarray(0, 8)), drop(Drop.INVALID_PACKET)],
  ['ICMP that is cut off', frame4({ protocol: ICMP }, icmp(8, 0).subarray(0, 4)), drop(Drop.INVALID_PACKET)],
  ['padding behind a short packet', Buffer.concat([frame4({ protocol: UDP }, udp(4000, 53)), Buffer.alloc(30)]), allowed],
  ['a first fragment', frame4({ protocol: UDP, more: true }, udp(4000, 53)), allowed],
  ['a later fragment without a first', frame4({ protocol: UDP, offset: 10, more: true }, Buffer.alloc(16)), drop(Drop.FRAGMENT)],
  ['a fragment over the flags of TCP', frame4({ protocol: TCP, offset: 1 }, Buffer.alloc(16)), drop(Drop.INVALID_PACKET)],
  ['a first fragment without all of TCP', frame4({ protocol: TCP, more: true }, tcp(4000, 80).subarray(0, 16)), drop(Drop.INVALID_PACKET)],
  ['TCP over IPv6', frame6({ next: TCP }, tcp(4000, 80)), allowed],
  ['TCP over IPv6 to another port', frame6({ next: TCP }, tcp(4000, 81)), deniedBy(Drop.POLICY)],
  ['TCP over IPv6 behind a VLAN tag', frame6({ next: TCP }, tcp(4000, 80), [12]), allowed],
  ['an ICMPv6 echo request', frame6({ next: ICMP6 }, icmp(128, 0, 77)), allowed],
  ['ICMP inside IPv6', frame6({ next: ICMP }, icmp(8, 0, 77)), deniedBy(Drop.POLICY)],
  ['hop-by-hop options', chain([hopByHop], TCP, tcp(4000, 80)), allowed],
  ['hop-by-hop options in front of a denied port', chain([hopByHop], TCP, tcp(4000, 81)), deniedBy(Drop.POLICY)],
  ['hop-by-hop options that do not come first', chain([destination, hopByHop], TCP, tcp(4000, 80)), drop(Drop.INVALID_EXTENSION_HEADER)],
  ['destination options', chain([destination], TCP, tcp(4000, 80)), allowed],
  ['long destination options', chain([{ kind: 'destination', body: Buffer.alloc(126) }], TCP, tcp(4000, 80)), allowed],
  ['a routing header that is used up', chain([routing(0)], TCP, tcp(4000, 80)), allowed],
  ['a routing header to somewhere else', chain([routing(1)], TCP, tcp(4000, 80)), drop(Drop.INVALID_EXTENSION_HEADER)],
  ['an authentication header', chain([authentication], TCP, tcp(4000, 80)), allowed],
  ['an authentication header in front of a denied port', chain([authentication], TCP, tcp(4000, 81)), deniedBy(Drop.POLICY)],
  [
    'every header at once',
    chain([hopByHop, destination, routing(0), fragment(0, false), authentication, destination], UDP, udp(4000, 53)),
    allowed,
  ],
  [
    'more headers than anybody needs',
    chain(
      Array.from({ length: 8 }, () => destination),
      TCP,
      tcp(4000, 80),
    ),
    drop(Drop.INVALID_EXTENSION_HEADER),
  ],
  ['a mobility header', chain([{ kind: 'mobility' }], TCP, tcp(4000, 80)), drop(Drop.INVALID_EXTENSION_HEADER)],
  ['an extension header that is cut off', frame6({ next: 60 }, Buffer.alloc(4)), drop(Drop.INVALID_PACKET)],
  [
    'an extension header that leads out of the packet',
    frame6({ next: 60 }, Buffer.from([6, 200, 0, 0, 0, 0, 0, 0])),
    drop(Drop.INVALID_PACKET),
  ],
  ['an IPv6 packet of one fragment', chain([fragment(0, false)], TCP, tcp(4000, 80)), allowed],
  ['a later IPv6 fragment without a first', chain([fragment(10, true)], TCP, Buffer.alloc(16)), drop(Drop.FRAGMENT)],
  ['two fragment headers', chain([fragment(0, true), fragment(0, true)], TCP, tcp(4000, 80)), drop(Drop.INVALID_EXTENSION_HEADER)],
  ['an IPv6 header that is cut off', ethernet(0x86dd, Buffer.alloc(30, 0x60), [12]), drop(Drop.INVALID_PACKET)],
  ['IPv4 that claims to be IPv6', frame6({ next: TCP, version: 4 }, tcp(4000, 80)), drop(Drop.INVALID_PACKET)],
  ['ports behind the end of the IPv6 packet', frame6({ next: TCP, length: 2 }, tcp(4000, 80)), drop(Drop.INVALID_PACKET)],
  ['an IPv6 packet to an IPv4 address', frame6({ next: TCP, dst: '::ffff:10.0.0.3' }, tcp(4000, 80)), drop(Drop.INVALID_PACKET)],
  ['no next header', frame6({ next: 59 }, Buffer.alloc(0)), deniedBy(Drop.POLICY)],
  ['a neighbour solicitation', frame6({ next: ICMP6, hopLimit: 255, dst: 'ff02::1:ff00:3' }, icmp(135, 0)), []],
  ['a neighbour solicitation from a link-local address', frame6({ next: ICMP6, hopLimit: 255, src: 'fe80::2' }, icmp(135, 0)), []],
  ['duplicate address detection', frame6({ next: ICMP6, hopLimit: 255, src: '::' }, icmp(135, 0)), []],
  ['a router solicitation', frame6({ next: ICMP6, hopLimit: 255, src: 'fe80::2', dst: 'ff02::2' }, icmp(133, 0)), []],
  ['a neighbour advertisement from afar', frame6({ next: ICMP6, hopLimit: 254 }, icmp(136, 0)), deniedBy(Drop.POLICY)],
  ['a neighbour advertisement', advertisement('fd00::2', 'fd000000000000000000000000000002'), []],
  [
    "a neighbour advertisement of somebody else's address",
    advertisement('fd00::2', 'fd000000000000000000000000000009'),
    drop(Drop.INVALID_SOURCE_IP),
  ],
  ['the same from a link-local address', advertisement('fe80::2', 'fd000000000000000000000000000009'), drop(Drop.INVALID_SOURCE_IP)],
  [
    'a router advertisement',
    frame6({ next: ICMP6, hopLimit: 255, src: 'fe80::2', dst: 'ff02::1' }, icmp(134, 0)),
    drop(Drop.INVALID_SOURCE_IP),
  ],
  ['an IPv6 redirect', frame6({ next: ICMP6, hopLimit: 255 }, icmp(137, 0)), deniedBy(Drop.POLICY)],
  [
    'a listener report',
    (() => {
      const { next, payload } = extended([{ kind: 'hop-by-hop', body: Buffer.from([5, 2, 0, 0, 1, 0]) }], ICMP6, icmp(143, 0));
      return frame6({ next, hopLimit: 1, src: 'fe80::2', dst: 'ff02::16' }, payload);
    })(),
    [],
  ],
  ["somebody else's IPv4 address", frame4({ protocol: TCP, src: '10.0.0.9' }, tcp(4000, 80)), drop(Drop.INVALID_SOURCE_IP)],
  ["somebody else's IPv6 address", frame6({ next: TCP, src: 'fd00::9' }, tcp(4000, 80)), drop(Drop.INVALID_SOURCE_IP)],
  ['a link-local source', frame6({ next: TCP, src: 'fe80::2' }, tcp(4000, 80)), drop(Drop.INVALID_SOURCE_IP)],
  [
    "somebody else's neighbour solicitation",
    frame6({ next: ICMP6, hopLimit: 255, src: 'fd00::9' }, icmp(135, 0)),
    drop(Drop.INVALID_SOURCE_IP),
  ],
];

describe('mr_policy_from_pod', () => {
  it.each(sent)('judges %s', (_name, packet, told) => {
    const dropped = told.some((words) => words.startsWith('drop'));
    expect([kernel.run('egress', packet), kernel.told()]).toEqual([dropped ? 'drop' : 'pass', told]);
  });

  it('lets a later fragment follow its first, and a denied first takes its later ones with it', () => {
    const first = (port: number, id: number) => frame4({ protocol: UDP, more: true, id }, udp(4000, port, Buffer.alloc(8)));
    const later = (id: number) => frame4({ protocol: UDP, offset: 2, id }, Buffer.alloc(8));
    expect(kernel.run('egress', first(53, 1))).toBe('pass');
    expect(kernel.run('egress', later(1))).toBe('pass');
    expect(kernel.run('egress', later(2))).toBe('drop');
    expect(kernel.run('egress', first(54, 3))).toBe('drop');
    expect(kernel.run('egress', later(3))).toBe('drop');
    // the same id again: what is kept is corrected by each first one
    expect(kernel.run('egress', first(54, 1))).toBe('drop');
    expect(kernel.run('egress', later(1))).toBe('drop');
    // the other way is another packet
    expect(kernel.run('ingress', frame4({ protocol: UDP, offset: 2, id: 1, src: '10.0.0.3', dst: '10.0.0.2' }, Buffer.alloc(8)))).toBe(
      'drop',
    );
  });

  it('finds the ports of IPv6 fragments, also where a header stands in between', () => {
    expect(kernel.run('egress', chain([fragment(0, true), destination], UDP, udp(4000, 53, Buffer.alloc(8))))).toBe('pass');
    // a later fragment names the header that only the first one has
    expect(kernel.run('egress', chain([fragment(3, false)], 60, Buffer.alloc(8)))).toBe('pass');
    expect(kernel.run('egress', chain([fragment(0, true)], UDP, udp(4000, 54, Buffer.alloc(8))))).toBe('drop');
    expect(kernel.run('egress', chain([fragment(3, false)], UDP, Buffer.alloc(8)))).toBe('drop');
  });

  it('lets a pod that forwards send from any address, and a pod without IPv6 none of it', () => {
    setEndpoint(kernel.maps, { flags: 4 });
    expect(kernel.run('egress', frame4({ protocol: TCP, src: '10.0.0.9' }, tcp(4000, 80)))).toBe('pass');
    kernel.maps.endpoints.set(pod.cookie, { identity: pod.identity, flags: 0, addr4: new Uint8Array(16), addr6: new Uint8Array(16) });
    kernel.told();
    expect(kernel.run('egress', frame4({ protocol: TCP }, tcp(4000, 80)))).toBe('drop');
    expect(kernel.run('egress', frame6({ next: TCP, src: '::1' }, tcp(4000, 80)))).toBe('drop');
    expect(kernel.told()).toEqual(['drop 132', 'drop 132']);
  });

  it('lets everything pass that can be read where nothing is enforced, and nothing that is broken', () => {
    enforce(kernel.maps, [], []);
    kernel.forget();
    expect(kernel.run('egress', ethernet(0x88cc, Buffer.alloc(40)))).toBe('pass');
    expect(kernel.run('egress', chain([{ kind: 'mobility' }], TCP, tcp(4000, 80)))).toBe('pass');
    expect(kernel.run('egress', frame4({ protocol: UDP, offset: 10 }, Buffer.alloc(16)))).toBe('pass');
    expect(kernel.told()).toEqual([]);
    expect(kernel.run('egress', frame4({ protocol: TCP, length: 20 }, tcp(4000, 80)))).toBe('drop');
    expect(kernel.run('egress', frame4({ protocol: TCP, src: '10.0.0.9' }, tcp(4000, 80)))).toBe('drop');
    expect(kernel.told()).toEqual(['drop 134', 'drop 132']);
  });

  it('leaves interfaces alone that no pod has, and closes those of a pod that nobody knows', () => {
    const packet = frame4({ protocol: TCP }, tcp(4000, 80));
    kernel.maps.endpoints.delete(pod.cookie);
    expect([kernel.run('egress', packet), kernel.run('ingress', packet)]).toEqual(['drop', 'drop']);
    expect(kernel.told()).toEqual(['drop 203', 'drop 203']);
    setEndpoint(kernel.maps, { identity: 0 });
    expect([kernel.run('egress', packet), kernel.told()]).toEqual(['drop', deniedBy(Drop.NOT_READY)]);
    kernel.maps.hostInterfaces.delete(1);
    expect([kernel.run('egress', packet), kernel.told()]).toEqual(['pass', []]);
    kernel.maps.hostInterfaces.set(1, pod.cookie);
  });
});

describe('mr_policy_to_pod', () => {
  it('judges what comes by the source, and lets the link speak', () => {
    const to = { src: '10.0.0.3', dst: '10.0.0.2' };
    enforce(kernel.maps, ['ingress'], [{ direction: 'ingress', peer: 300, action: 'ALLOW', protocol: TCP, port: 80 }]);
    kernel.forget();
    expect(kernel.run('ingress', frame4({ protocol: TCP, ...to }, tcp(4000, 80)))).toBe('pass');
    expect(kernel.run('ingress', frame4({ protocol: TCP, ...to, src: '192.0.2.1' }, tcp(4000, 80)))).toBe('drop');
    const [verdict, trace, denied] = kernel.events();
    expect(verdict).toMatchObject({ srcIdentity: 300, dstIdentity: 257, sport: 4000, dport: 80, direction: 0, family: 4, protocol: 6 });
    expect(trace).toMatchObject({ type: 4, subtype: 0, reason: 0, length: 54, interface: 1 });
    expect(denied).toMatchObject({ srcIdentity: 2, dstIdentity: 257, tcpFlags: 2 });
    expect(kernel.run('ingress', frame6({ next: ICMP6, hopLimit: 255, src: 'fe80::1', dst: 'fd00::2' }, icmp(135, 0)))).toBe('pass');
    expect(kernel.run('ingress', ethernet(0x86dd, ipv6({ next: TCP, src: 'fd00::3', dst: 'fd00::2' }, tcp(4000, 80))))).toBe('pass');
  });
});
