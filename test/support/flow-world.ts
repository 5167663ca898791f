import type { FlowEvent } from '../../src/abi/gen/index.ts';
import { Direction, FlowFlags, FlowType, TraceReason } from '../../src/abi/gen/index.ts';
import type { Directory, FlowPod, RuleDirectory } from '../../src/flow/directory.ts';
import type { DnsExchange } from '../../src/flow/dns-flow.ts';
import { addressBytes, flowEvent } from './scripted-events.ts';

const labels = (namespace: string, app: string): readonly string[] => [
  `k8s:app=${app}`,
  `k8s:io.kubernetes.pod.namespace=${namespace}`,
  'k8s:version=v1',
];

const pods = new Map<string, FlowPod>([
  ['10.244.0.5', { id: 5, identity: 300, namespace: 'sample', name: 'sleep-7d-x', workload: { kind: 'Deployment', name: 'sleep' } }],
  [
    '10.244.0.9',
    { id: 9, identity: 301, namespace: 'sample', name: 'sensitive-db-0', workload: { kind: 'StatefulSet', name: 'sensitive-db' } },
  ],
  ['10.244.0.7', { id: 7, identity: 302, namespace: 'default', name: 'httpbin-5-y', workload: { kind: 'Deployment', name: 'httpbin' } }],
  ['fd00::7', { id: 7, identity: 302, namespace: 'default', name: 'httpbin-5-y', workload: { kind: 'Deployment', name: 'httpbin' } }],
]);

const identities = new Map<number, readonly string[]>([
  [1, ['reserved:host']],
  [2, ['reserved:world']],
  [300, labels('sample', 'sleep')],
  [301, labels('sample', 'sensitive-db')],
  [302, labels('default', 'httpbin')],
  [1 << 24, ['cidr:93.184.216.0/24', 'reserved:world']],
]);

/** A small cluster whose flows have something for every filter. */
export const flowWorld: Directory & RuleDirectory = {
  labelsOf: (identity) => identities.get(identity) ?? [],
  podAt: (address) => pods.get(address) ?? null,
  identityAt: (address) => pods.get(address)?.identity ?? 2,
  serviceAt: (address, port) => (address === '10.96.0.20' && port === 8000 ? { namespace: 'default', name: 'httpbin' } : null),
  namesOf: (address) => (address === '93.184.216.34' ? ['example.com', 'www.example.com'] : []),
  interfaceName: (index) => (index === 12 ? 'mr-sleep' : ''),
  ruleOf: (rule) =>
    rule === 11
      ? {
          policies: [
            { kind: 'CiliumNetworkPolicy', namespace: 'sample', name: 'deny-db', labels: ['k8s:io.cilium.k8s.policy.name=deny-db'] },
          ],
          matchType: 'L3-L4',
          log: 'db is off limits',
        }
      : rule === 12
        ? { policies: [{ kind: 'NetworkPolicy', namespace: 'default', name: 'allow-web', labels: [] }], matchType: 'L4-Only', log: null }
        : null,
};

/** One of each kind that the kernel writes, oldest first, 137 ms and some nanoseconds apart, beginning one second after the machine's start. */
export const worldEvents: readonly FlowEvent[] = (
  [
    { type: FlowType.VERDICT, subtype: 181, rule: 11, interface: 12 },
    { type: FlowType.DROP, subtype: 181, rule: 11, interface: 12 },
    { type: FlowType.DROP, subtype: 133, flags: FlowFlags.REPLY_UNKNOWN },
    { type: FlowType.VERDICT, subtype: 0, rule: 12, to: '10.244.0.7', dstIdentity: 302, dport: 80, direction: Direction.INGRESS },
    { type: FlowType.VERDICT, subtype: 133, flags: FlowFlags.AUDITED, to: '10.244.0.7', dstIdentity: 302, dport: 81 },
    {
      type: FlowType.TRACE,
      subtype: 0,
      reason: TraceReason.NEW,
      to: '10.244.0.7',
      dstIdentity: 302,
      dport: 80,
      direction: Direction.INGRESS,
    },
    {
      type: FlowType.TRACE,
      subtype: 3,
      reason: TraceReason.REPLY,
      flags: FlowFlags.REPLY,
      from: '10.244.0.7',
      to: '10.244.0.5',
      srcIdentity: 302,
      dstIdentity: 300,
      sport: 80,
      dport: 40000,
      tcpFlags: 0x12,
    },
    { type: FlowType.TRACE, subtype: 5, reason: TraceReason.UNKNOWN, flags: FlowFlags.REPLY_UNKNOWN, tcpFlags: 0x18 },
    { type: FlowType.TRACE, subtype: 0, from: 'fd00::5', to: 'fd00::7', dstIdentity: 302, dport: 8080, tcpFlags: 0x11 },
    { type: FlowType.TRACE, subtype: 3, protocol: 17, dport: 53, to: '10.96.0.10', dstIdentity: 2, tcpFlags: 0 },
    { type: FlowType.TRACE, subtype: 3, protocol: 1, sport: 0, dport: 0x0800, to: '93.184.216.34', dstIdentity: 1 << 24, tcpFlags: 0 },
    {
      type: FlowType.TRACE,
      subtype: 3,
      protocol: 58,
      sport: 0,
      dport: 0x8700,
      from: 'fe80::1',
      to: 'ff02::1',
      srcIdentity: 1,
      dstIdentity: 2,
      tcpFlags: 0,
    },
    { type: FlowType.DROP, subtype: 142, protocol: 47, sport: 0, dport: 0, tcpFlags: 0, dstIdentity: 999 },
    { type: FlowType.TRACE, subtype: 3, protocol: 132, dport: 9899, tcpFlags: 0 },
    {
      type: FlowType.OPEN,
      subtype: 0,
      flags: FlowFlags.REDIRECTED,
      to: '127.0.0.1',
      dport: 15001,
      dstIdentity: 302,
      origin: addressBytes('10.96.0.20'),
      originPort: 8000,
    },
    {
      type: FlowType.CLOSE,
      subtype: 0,
      flags: FlowFlags.DIRECT | FlowFlags.ACCELERATED,
      to: '10.244.0.7',
      dport: 80,
      dstIdentity: 302,
      bytesSent: 1234n,
      bytesReceived: 56789n,
      bytesAccelerated: 50000n,
    },
  ] satisfies readonly Parameters<typeof flowEvent>[0][]
).map((event, index) => flowEvent({ ...event, timeNs: 1_000_000_000n + BigInt(index) * 137_000_321n }));

/** The lines that the proxies of sleep and httpbin write of one request, and of one that a policy refused. */
export const accessLogLines: readonly { readonly line: string; readonly pod: string }[] = [
  {
    pod: '10.244.0.5',
    line: '[2026-01-02T03:04:05.600Z] "GET /ip?q=<a>&b HTTP/1.1" 200 - via_upstream - "-" 0 32 5 4 "-" "curl/7.88.1" "0a1b" "httpbin:8000" "10.244.0.7:80" outbound|8000||httpbin.default.svc.cluster.local 10.244.0.5:52001 10.96.0.20:8000 10.244.0.5:52000 - default "-"',
  },
  {
    pod: '10.244.0.7',
    line: '[2026-01-02T03:04:05.700Z] "POST /post HTTP/2" 403 - rbac_access_denied_matched_policy[none] - "-" 0 19 0 - "-" "curl/7.88.1" "0a1c" "httpbin:8000" "-" inbound|80|| - 10.244.0.7:80 10.244.0.5:52002 outbound_.8000_._.httpbin default "spiffe://cluster.local/ns/sample/sa/sleep" "RBAC: access denied"',
  },
];

export const dnsExchange: DnsExchange = {
  timeNs: 1767323046000000000n,
  latencyNs: 700_000n,
  transport: 'UDP',
  client: { address: '10.244.0.5', port: 33333 },
  server: { address: '10.96.0.10', port: 53 },
  query: 'httpbin.default.svc.cluster.local.',
  types: ['A'],
  answer: { code: 0, addresses: ['10.96.0.20'], names: [], types: ['A'], ttl: 30 },
};

/** Clocks by which the machine started on 2026-01-02 at 03:04:04 and has run for eight seconds. */
export const worldClocks = { monotonicNs: () => 8_000_000_000n, wallMs: () => Date.UTC(2026, 0, 2, 3, 4, 12) };
