import { describe, expect, test } from 'vitest';
import { isRedirected, matchesConntrack, parseConntrack } from './conntrack.ts';

const captured =
  'ipv4     2 tcp      6 431999 ESTABLISHED src=10.9.0.2 dst=10.96.5.5 sport=41000 dport=80 src=127.0.0.1 dst=10.9.0.2 sport=15001 dport=41000 [ASSURED] mark=0 use=1';
const direct6 =
  'ipv6     10 tcp      6 117 SYN_SENT src=fd00:9::2 dst=fd00:96::5 sport=41001 dport=443 [UNREPLIED] src=fd00:96::5 dst=fd00:9::2 sport=443 dport=41001 mark=1337 zone=2 use=2';
const dns =
  'udp      17 29 src=10.9.0.2 dst=10.96.0.10 sport=5353 dport=53 packets=1 bytes=60 src=127.0.0.1 dst=10.9.0.2 sport=15053 dport=5353 packets=1 bytes=90 mark=0 zone=2 use=1';
const ping = 'icmp     1 29 src=10.9.0.2 dst=10.9.0.3 type=8 code=0 id=7 src=10.9.0.3 dst=10.9.0.2 type=0 code=0 id=7 mark=0 use=1';
const offloaded =
  'ipv4     2 tcp      6 src=10.9.0.2 dst=10.9.0.3 sport=1 dport=2 src=10.9.0.3 dst=10.9.0.2 sport=2 dport=1 [OFFLOAD] mark=0 zone=0 use=3';

function only(line: string) {
  const [entry, ...rest] = parseConntrack(line);
  if (entry === undefined || rest.length > 0) throw new Error(`not one entry: ${line}`);
  return entry;
}

describe('parseConntrack()', () => {
  test('reads a captured connection when the family is printed', () => {
    expect(only(captured)).toEqual({
      family: 4,
      protocol: 'tcp',
      timeoutSeconds: 431999,
      state: 'ESTABLISHED',
      original: { source: '10.9.0.2', destination: '10.96.5.5', sourcePort: 41000, destinationPort: 80 },
      reply: { source: '127.0.0.1', destination: '10.9.0.2', sourcePort: 15001, destinationPort: 41000 },
      flags: ['ASSURED'],
      mark: 0,
      zone: 0,
    });
  });

  test('reads family, flags, mark and zone when the entry is of IPv6', () => {
    expect(only(direct6)).toMatchObject({ family: 6, state: 'SYN_SENT', flags: ['UNREPLIED'], mark: 1337, zone: 2 });
  });

  test('reads an entry without family, state and flags when accounting is on', () => {
    expect(only(dns)).toMatchObject({ family: 4, protocol: 'udp', state: null, timeoutSeconds: 29, flags: [], zone: 2 });
    expect(only(dns).reply.sourcePort).toBe(15053);
  });

  test('gives null for ports and timeouts that are not printed', () => {
    expect(only(ping).original).toEqual({ source: '10.9.0.2', destination: '10.9.0.3', sourcePort: null, destinationPort: null });
    expect(only(offloaded)).toMatchObject({ timeoutSeconds: null, state: null, flags: ['OFFLOAD'] });
  });

  test('ignores remarks, empty lines and broken lines', () => {
    const remark = 'conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.';
    expect(parseConntrack(`\n${remark}\n${captured}\ntcp 6 src=1.2.3.4\n`)).toHaveLength(1);
  });
});

describe('isRedirected()', () => {
  test.each([
    ['a captured connection', captured, true],
    ['a direct one', direct6, false],
    ['captured DNS', dns, true],
    ['an echo request', ping, false],
  ])('tells %s', (_what, line, expected) => expect(isRedirected(only(line))).toBe(expected));
});

describe('matchesConntrack()', () => {
  const entries = parseConntrack([captured, direct6, dns, ping].join('\n'));
  test.each([
    ['lets all through when empty', {}, 4],
    ['selects a family', { family: 6 as const }, 1],
    ['selects a protocol and a port', { protocol: 'udp', destinationPort: 53 }, 1],
    ['selects a state', { state: 'ESTABLISHED' }, 1],
    ['selects source, port and destination', { source: '10.9.0.2', sourcePort: 41000, destination: '10.96.5.5' }, 1],
    ['selects rewritten ones', { redirected: true }, 2],
    ['selects the others', { redirected: false }, 2],
    ['selects nothing when one field differs', { protocol: 'tcp', destinationPort: 53 }, 0],
  ])('%s', (_what, filter, count) => expect(entries.filter((entry) => matchesConntrack(entry, filter))).toHaveLength(count));
});
