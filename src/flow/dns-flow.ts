import { direction, verdict } from './codes.ts';
import type { FlowContext } from './flow-of-event.ts';
import type { Place } from './message-flow.ts';
import { flowOfMessage } from './message-flow.ts';
import type { DnsRecord, Flow } from './types.ts';

/** A query that a name server or a proxy of names saw, and what it answered. */
export interface DnsExchange {
  /** Since 1970. */
  readonly timeNs: bigint;
  readonly latencyNs: bigint;
  readonly transport: 'TCP' | 'UDP';
  readonly client: Place;
  readonly server: Place;
  /** With its last dot: `sleep.default.svc.cluster.local.` */
  readonly query: string;
  /** `A`, `AAAA` */
  readonly types: readonly string[];
  /** Null: nothing was answered. */
  readonly answer: {
    readonly code: number;
    readonly addresses: readonly string[];
    readonly names: readonly string[];
    /** Of the records: `A`, `CNAME`. */
    readonly types: readonly string[];
    /** seconds */
    readonly ttl: number;
  } | null;
}

/** What a response code means, in the words of hubble_dns_responses_total. */
export const dnsCodeNames: readonly string[] = [
  'No Error',
  'Format Error',
  'Server Failure',
  'Non-Existent Domain',
  'Not Implemented',
  'Query Refused',
  'Name Exists when it should not',
  'RR Set Exists when it should not',
  'RR Set that should exist does not',
  'Not Authorized',
  'Name not contained in zone',
];

/** The flow of the query and, if there was an answer, the flow of that. */
export function flowsOfDns(exchange: DnsExchange, context: FlowContext): readonly Flow[] {
  const types = exchange.types.join(',');
  const query: DnsRecord = {
    query: exchange.query,
    ips: [],
    ttl: 0,
    cnames: [],
    observationSource: 'proxy',
    rcode: 0,
    qtypes: exchange.types,
    rrtypes: [],
  };
  const common = {
    client: exchange.client,
    server: exchange.server,
    dialled: exchange.server,
    transport: exchange.transport,
    direction: direction.egress,
    verdict: verdict.forwarded,
  } as const;
  const asked = flowOfMessage(
    {
      ...common,
      timeNs: exchange.timeNs,
      answer: false,
      record: { case: 'dns', value: query },
      latencyNs: 0n,
      summary: `DNS Query ${exchange.query} ${types}`,
    },
    context,
  );
  const { answer } = exchange;
  if (answer === null) return [asked];
  const record: DnsRecord = {
    ...query,
    ips: answer.addresses,
    ttl: answer.ttl,
    cnames: answer.names,
    rcode: answer.code,
    rrtypes: answer.types,
  };
  const found = [
    ...(answer.addresses.length > 0 ? [`"${answer.addresses.join(',')}"`] : []),
    ...(answer.names.length > 0 ? [`CNAMEs: "${answer.names.join(',')}"`] : []),
  ].join(' ');
  const said = answer.code === 0 ? found : `RCode: ${dnsCodeNames[answer.code] ?? answer.code}`;
  const answered = flowOfMessage(
    {
      ...common,
      timeNs: exchange.timeNs + exchange.latencyNs,
      answer: true,
      record: { case: 'dns', value: record },
      latencyNs: exchange.latencyNs,
      summary: `DNS Answer ${said} TTL: ${answer.ttl} (Proxy ${exchange.query} ${types})`,
    },
    context,
  );
  return [asked, answered];
}
