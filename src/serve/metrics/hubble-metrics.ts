import type { Registry } from 'prom-client';
import { Counter, Histogram } from 'prom-client';
import { FlowType } from '../../abi/gen/index.ts';
import { direction, ipProtocol, l7Type, lostSource, lostSourceNames, tracePointNames, verdict, verdictNames } from '../../flow/codes.ts';
import type { CountedEvents, FlowCounters } from '../../flow/counters.ts';
import type { RuleDirectory } from '../../flow/directory.ts';
import { dnsCodeNames } from '../../flow/dns-flow.ts';
import { dropReasonName } from '../../flow/drop-reason.ts';
import { icmpText } from '../../flow/icmp-text.ts';
import type { DnsRecord, Flow } from '../../flow/types.ts';

/** Seconds; Prometheus' own preset, which Hubble uses. */
const durations = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What a client may write as a method is endless, and every label costs memory. */
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

/** Hubble's metrics, by its names and labels, so that dashboards for Hubble work. Events are counted elsewhere and brought in at each scrape. */
export class HubbleMetrics {
  readonly #counters: FlowCounters;
  readonly #rules: RuleDirectory;
  readonly #lost: () => number;
  #toldLost = 0;
  readonly #flows: Counter<'protocol' | 'type' | 'subtype' | 'verdict'>;
  readonly #drops: Counter<'reason' | 'protocol'>;
  readonly #toWorld: Counter<'protocol' | 'verdict'>;
  readonly #verdicts: Counter<'direction' | 'match' | 'action'>;
  readonly #tcpFlags: Counter<'flag' | 'family'>;
  readonly #icmp: Counter<'family' | 'type'>;
  readonly #requests: Counter<'method' | 'protocol' | 'status' | 'reporter'>;
  readonly #duration: Histogram<'method' | 'reporter'>;
  readonly #queries: Counter<'rcode' | 'qtypes' | 'ips_returned'>;
  readonly #responses: Counter<'rcode' | 'qtypes' | 'ips_returned'>;
  readonly #responseTypes: Counter<'type' | 'qtypes'>;
  readonly #lostEvents: Counter<'source'>;

  /** `lost`: events that found the kernel's ring full, since the start. */
  constructor(options: {
    readonly registry: Registry;
    readonly counters: FlowCounters;
    readonly rules: RuleDirectory;
    readonly lost: () => number;
  }) {
    this.#counters = options.counters;
    this.#rules = options.rules;
    this.#lost = options.lost;
    const registers = [options.registry];
    this.#flows = new Counter({
      registers,
      name: 'hubble_flows_processed_total',
      help: 'Flows, by protocol, kind of event and verdict',
      labelNames: ['protocol', 'type', 'subtype', 'verdict'],
    });
    this.#drops = new Counter({
      registers,
      name: 'hubble_drop_total',
      help: 'Flows with the verdict DROPPED, by reason. A packet that policy drops counts twice: once for the verdict, once for the drop',
      labelNames: ['reason', 'protocol'],
    });
    this.#toWorld = new Counter({
      registers,
      name: 'hubble_flows_to_world_total',
      help: 'Flows to addresses outside the cluster, without replies and without drops for other reasons than policy',
      labelNames: ['protocol', 'verdict'],
    });
    this.#verdicts = new Counter({
      registers,
      name: 'hubble_policy_verdicts_total',
      help: 'Verdicts of policy, by how specific the rule was',
      labelNames: ['direction', 'match', 'action'],
    });
    this.#tcpFlags = new Counter({
      registers,
      name: 'hubble_tcp_flags_total',
      help: 'Flags of forwarded TCP packets that were told',
      labelNames: ['flag', 'family'],
    });
    this.#icmp = new Counter({ registers, name: 'hubble_icmp_total', help: 'ICMP messages', labelNames: ['family', 'type'] });
    this.#requests = new Counter({
      registers,
      name: 'hubble_http_requests_total',
      help: 'HTTP requests that were answered',
      labelNames: ['method', 'protocol', 'status', 'reporter'],
    });
    this.#duration = new Histogram({
      registers,
      name: 'hubble_http_request_duration_seconds',
      help: 'Time from an HTTP request to its answer',
      labelNames: ['method', 'reporter'],
      buckets: durations,
    });
    this.#queries = new Counter({
      registers,
      name: 'hubble_dns_queries_total',
      help: 'DNS queries',
      labelNames: ['rcode', 'qtypes', 'ips_returned'],
    });
    this.#responses = new Counter({
      registers,
      name: 'hubble_dns_responses_total',
      help: 'DNS answers',
      labelNames: ['rcode', 'qtypes', 'ips_returned'],
    });
    this.#responseTypes = new Counter({
      registers,
      name: 'hubble_dns_response_types_total',
      help: 'Records in DNS answers',
      labelNames: ['type', 'qtypes'],
    });
    this.#lostEvents = new Counter({
      registers,
      name: 'hubble_lost_events_total',
      help: 'Events that nobody saw because a buffer was full',
      labelNames: ['source'],
    });
  }

  /** Counts one HTTP or DNS flow. */
  see(flow: Flow): void {
    const record = flow.l7?.record;
    const kind = record?.case === 'dns' ? 'DNS' : 'HTTP';
    this.#flows.inc({ protocol: kind, type: 'L7', subtype: kind, verdict: verdictNames[flow.verdict] ?? '' });
    if (flow.verdict === verdict.dropped) this.#drops.inc({ reason: dropReasonName(0), protocol: kind });
    const way = flow.trafficDirection === direction.egress ? 'egress' : 'ingress';
    this.#verdicts.inc({ direction: way, match: `l7/${kind.toLowerCase()}`, action: (verdictNames[flow.verdict] ?? '').toLowerCase() });
    if (record?.case === 'dns') this.#seeDns(record.value, flow);
    if (record?.case === 'http' && flow.l7?.type === l7Type.response) {
      const reporter = way === 'egress' ? 'client' : 'server';
      const { protocol, code } = record.value;
      const method = methods.includes(record.value.method) ? record.value.method : 'other';
      this.#requests.inc({ method, protocol, status: String(code), reporter });
      this.#duration.observe({ method, reporter }, Number(flow.l7.latencyNs) / 1e9);
    }
  }

  /** Brings in what was counted since the last call; do it before each scrape. */
  collect(): void {
    const { events, verdicts, tcpFlags, icmp } = this.#counters.drain();
    for (const counted of events) this.#add(counted);
    for (const { rule, egress, drop, audited, count } of verdicts) {
      const match = (rule === 0 ? null : this.#rules.ruleOf(rule))?.matchType ?? 'none';
      const action = audited ? 'audit' : drop === 0 ? 'forwarded' : 'dropped';
      this.#verdicts.inc({ direction: egress ? 'egress' : 'ingress', match: match.toLowerCase(), action }, count);
    }
    for (const { family, flags, count } of tcpFlags) {
      for (const flag of flagsOf(flags)) this.#tcpFlags.inc({ flag, family: `IPv${family}` }, count);
    }
    for (const { family, type, code, count } of icmp) this.#icmp.inc({ family: `IPv${family}`, type: icmpText(family, type, code) }, count);
    const lost = this.#lost();
    this.#lostEvents.inc({ source: lostSourceNames[lostSource.kernelRing].toLowerCase() }, Math.max(0, lost - this.#toldLost));
    this.#toldLost = lost;
  }

  #add(counted: CountedEvents): void {
    const outcome = verdictNames[verdictOf(counted)];
    const protocol = protocolName(counted.protocol);
    this.#flows.inc({ protocol, ...kindOf(counted), verdict: outcome }, counted.count);
    const dropped = outcome === 'DROPPED';
    if (dropped) this.#drops.inc({ reason: dropReasonName(counted.subtype), protocol }, counted.count);
    if (counted.toWorld && (dropped ? counted.subtype === 133 : !counted.reply))
      this.#toWorld.inc({ protocol, verdict: outcome }, counted.count);
  }

  #seeDns(record: DnsRecord, flow: Flow): void {
    const qtypes = record.qtypes.join(',');
    const ips = String(record.ips.length);
    if (flow.isReply !== true) {
      this.#queries.inc({ rcode: '', qtypes, ips_returned: ips });
      return;
    }
    this.#responses.inc({ rcode: dnsCodeNames[record.rcode] ?? String(record.rcode), qtypes, ips_returned: ips });
    for (const type of record.rrtypes) this.#responseTypes.inc({ type, qtypes });
  }
}

function verdictOf({ type, subtype, audited, redirected }: CountedEvents) {
  if (type === FlowType.DROP) return verdict.dropped;
  if (type === FlowType.VERDICT) return audited ? verdict.audit : subtype === 0 ? verdict.forwarded : verdict.dropped;
  return type !== FlowType.TRACE && redirected ? verdict.redirected : verdict.forwarded;
}

function kindOf({ type, subtype }: CountedEvents): { readonly type: string; readonly subtype: string } {
  switch (type) {
    case FlowType.DROP:
      return { type: 'Drop', subtype: '' };
    case FlowType.TRACE:
      return { type: 'Trace', subtype: tracePointNames[subtype] ?? '' };
    case FlowType.VERDICT:
      return { type: 'PolicyVerdict', subtype: '' };
    default:
      // Hubble has no connections; it counts what it has no name for as this, with the event's number
      return { type: 'Unknown', subtype: String(type) };
  }
}

function protocolName(protocol: number): string {
  switch (protocol) {
    case ipProtocol.tcp:
      return 'TCP';
    case ipProtocol.udp:
      return 'UDP';
    case ipProtocol.sctp:
      return 'SCTP';
    case ipProtocol.icmp:
      return 'ICMPv4';
    case ipProtocol.icmpv6:
      return 'ICMPv6';
    default:
      return 'Unknown L4';
  }
}

/** Which of Hubble's flag labels a packet counts for. */
function flagsOf(bits: number): readonly string[] {
  const syn = (bits & 0x02) === 0 ? [] : [(bits & 0x10) === 0 ? 'SYN' : 'SYN-ACK'];
  return [...((bits & 0x01) === 0 ? [] : ['FIN']), ...syn, ...((bits & 0x04) === 0 ? [] : ['RST'])];
}
