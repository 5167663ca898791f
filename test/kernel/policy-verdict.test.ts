import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { frame4, icmp, protocols, tcp, udp } from '../support/packets.ts';
import type { PolicyKernel, TestRow } from '../support/policy-kernel.ts';
import { enforce, openPolicyKernel, peerIdentity, pod, setEndpoint, setIdentity } from '../support/policy-kernel.ts';

const { tcp: TCP, udp: UDP } = protocols;
const cleanup = new Cleanup();
let kernel: PolicyKernel;

beforeAll(async () => {
  kernel = cleanup.use(await openPolicyKernel());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(() => {
  setEndpoint(kernel.maps, {});
  kernel.forget();
});

interface Case {
  readonly name: string;
  readonly rows: readonly TestRow[];
  /** The drop code, 0 where it passes, and the rule that decided. */
  readonly said: readonly [drop: number, rule: number];
}

// what is said to TCP port 80 of the peer
const cases: readonly Case[] = [
  { name: 'denies what no row allows', rows: [], said: [133, 0] },
  { name: 'allows by a row for everybody', rows: [{ action: 'ALLOW', protocol: TCP, port: 80, rule: 5 }], said: [0, 5] },
  { name: 'allows by a row for the peer', rows: [{ peer: peerIdentity, action: 'ALLOW', rule: 6 }], said: [0, 6] },
  { name: 'does not allow by a row for another peer', rows: [{ peer: 301, action: 'ALLOW', rule: 6 }], said: [133, 0] },
  { name: 'does not allow by a row of another protocol', rows: [{ action: 'ALLOW', protocol: UDP, rule: 6 }], said: [133, 0] },
  {
    name: 'does not allow by a row of the other direction',
    rows: [{ direction: 'ingress', action: 'ALLOW', protocol: TCP, port: 80 }],
    said: [133, 0],
  },
  { name: 'does not allow by a row of another policy', rows: [{ policy: 8, action: 'ALLOW', protocol: TCP, port: 80 }], said: [133, 0] },
  { name: 'knows ranges of ports', rows: [{ action: 'ALLOW', protocol: TCP, port: 64, portBits: 10, rule: 7 }], said: [0, 7] },
  { name: 'knows where ranges end', rows: [{ action: 'ALLOW', protocol: TCP, port: 64, portBits: 12, rule: 7 }], said: [133, 0] },
  {
    name: 'takes the longest row of a peer alone, because it holds all that covers it',
    rows: [
      { action: 'DENY', protocol: TCP, rank: 1, rule: 1 },
      { action: 'ALLOW', protocol: TCP, port: 80, rank: 2, rule: 2 },
    ],
    said: [0, 2],
  },
  {
    name: 'lets the greater precedence of two peers hold: deny',
    rows: [
      { action: 'DENY', rank: 1, rule: 1 },
      { peer: peerIdentity, action: 'ALLOW', rank: 1, rule: 2 },
    ],
    said: [181, 1],
  },
  {
    name: 'lets the greater precedence of two peers hold: allow',
    rows: [
      { action: 'DENY', rank: 1, rule: 1 },
      { peer: peerIdentity, action: 'ALLOW', rank: 2, rule: 2 },
    ],
    said: [0, 2],
  },
  {
    name: 'names the rule of the peer on a tie',
    rows: [
      { action: 'ALLOW', rank: 1, rule: 1 },
      { peer: peerIdentity, action: 'ALLOW', rank: 1, rule: 2 },
    ],
    said: [0, 2],
  },
  {
    name: 'asks the first tier first',
    rows: [
      { action: 'DENY', tier: 0, rule: 1 },
      { action: 'ALLOW', tier: 1, rank: 9, rule: 2 },
    ],
    said: [181, 1],
  },
  {
    name: 'goes to the next tier by pass',
    rows: [
      { action: 'PASS', tier: 0, rank: 5, rule: 1 },
      { action: 'ALLOW', tier: 1, rule: 2 },
      { action: 'DENY', tier: 2, rule: 3 },
    ],
    said: [0, 2],
  },
  {
    name: 'goes to the last tier where the others say nothing',
    rows: [
      { action: 'NONE', tier: 1 },
      { action: 'DENY', tier: 2, rule: 3 },
    ],
    said: [181, 3],
  },
  { name: 'lets pass what no tier says anything about', rows: [{ action: 'NONE', tier: 1 }], said: [0, 0] },
  {
    name: 'takes each tier of each peer by itself',
    rows: [
      { action: 'PASS', tier: 0, rank: 7, rule: 1 },
      { peer: peerIdentity, action: 'DENY', tier: 0, rank: 6, rule: 2 },
      { action: 'DEFAULT_DENY', tier: 1 },
      { peer: peerIdentity, action: 'ALLOW', tier: 1, rule: 4 },
    ],
    said: [0, 4],
  },
];

describe('mr_policy_verdict()', () => {
  it.each(cases)('$name', ({ rows, said: [drop, rule] }) => {
    enforce(kernel.maps, ['egress'], rows);
    expect(kernel.run('egress', frame4({ protocol: TCP }, tcp(4000, 80)))).toBe(drop === 0 ? 'pass' : 'drop');
    expect(kernel.events()[0]).toMatchObject({ type: 5, subtype: drop, rule, srcIdentity: pod.identity, dstIdentity: peerIdentity });
  });

  it('is closed where a policy has no row for everybody, or one that no program understands', () => {
    enforce(kernel.maps, ['egress'], []);
    kernel.maps.policy.deleteMany([...kernel.maps.policy.keys()]);
    const packet = frame4({ protocol: TCP }, tcp(4000, 80));
    expect([kernel.run('egress', packet), kernel.told()]).toEqual(['drop', ['verdict 203', 'drop 203']]);
    kernel.maps.policy.set(
      { prefixlen: 72, policy: 7, peer: 0, direction: 1, protocol: 0, dport: 0 },
      {
        tiers: [
          { precedence: 77, rule: 0 },
          { precedence: 3, rule: 0 },
          { precedence: 3, rule: 0 },
        ],
      },
    );
    expect([kernel.run('egress', packet), kernel.told()]).toEqual(['drop', ['verdict 203', 'drop 203']]);
  });

  it('is closed for the node too where no row lets it in', () => {
    setIdentity(kernel.maps, '10.0.0.1/32', 1);
    const fromNode = frame4({ protocol: TCP, src: '10.0.0.1', dst: '10.0.0.2' }, tcp(4000, 80));
    enforce(kernel.maps, ['ingress'], []);
    expect(kernel.run('ingress', fromNode)).toBe('drop');
    enforce(kernel.maps, ['ingress'], [{ direction: 'ingress', peer: 1, action: 'ALLOW' }]);
    expect(kernel.run('ingress', fromNode)).toBe('pass');
  });

  it('judges each direction by itself, and nobody whom no policy selects', () => {
    const packet = frame4({ protocol: TCP }, tcp(4000, 80));
    enforce(kernel.maps, ['ingress'], []);
    expect(kernel.run('egress', packet)).toBe('pass');
    enforce(kernel.maps, ['egress'], []);
    expect(kernel.run('egress', frame4({ protocol: TCP }, tcp(4001, 80)))).toBe('drop');
    kernel.maps.subjects.delete(pod.identity);
    expect(kernel.run('egress', frame4({ protocol: TCP }, tcp(4002, 80)))).toBe('pass');
  });

  it('reports and lets pass what an audited pod is denied, also where there are no rows', () => {
    enforce(kernel.maps, ['egress'], []);
    setEndpoint(kernel.maps, { flags: 1 });
    expect([kernel.run('egress', frame4({ protocol: TCP }, tcp(4000, 80))), kernel.told()]).toEqual([
      'pass',
      ['verdict 133 audited', 'trace 3 audited'],
    ]);
    kernel.maps.policy.deleteMany([...kernel.maps.policy.keys()]);
    expect([kernel.run('egress', frame4({ protocol: UDP }, udp(4000, 80))), kernel.told()[0]]).toEqual(['pass', 'verdict 203 audited']);
  });
});

describe('mr_identity_of()', () => {
  it('takes the longest prefix, by family, and the world where there is none', () => {
    setIdentity(kernel.maps, '192.0.2.0/24', 16777217);
    setIdentity(kernel.maps, '192.0.2.128/25', 16777218);
    setIdentity(kernel.maps, '0.0.0.0/0', 9);
    enforce(kernel.maps, ['egress'], []);
    for (const dst of ['192.0.2.1', '192.0.2.129', '198.51.100.1'])
      kernel.run('egress', frame4({ protocol: protocols.icmp, dst }, icmp(8, 0, 1)));
    kernel.maps.ipcache.delete({ prefixlen: 128, family: 4, addr: Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0]) });
    kernel.run('egress', frame4({ protocol: protocols.icmp, dst: '198.51.100.1' }, icmp(8, 0, 1)));
    const identities = kernel
      .events()
      .filter(({ type }) => type === 1)
      .map(({ dstIdentity }) => dstIdentity);
    expect(identities).toEqual([16777217, 16777218, 9, 2]);
  });
});
