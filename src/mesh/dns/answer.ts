import type { Answer } from 'dns-packet';
import { assertNever } from '../../base/errors.ts';
import type { DnsQuery } from './query.ts';
import { readQuery } from './query.ts';
import type { DnsResponse } from './response.ts';
import { encodeError, encodeResponse, sizeLimit } from './response.ts';
import type { DnsZone, ZoneRecord } from './zone.ts';

/** What to do with a message that came in. */
export type DnsAction =
  | { readonly kind: 'respond'; readonly message: Buffer }
  /** The name is not ours: ask an upstream server. */
  | { readonly kind: 'forward'; readonly query: DnsQuery }
  /** Answer nothing. */
  | { readonly kind: 'ignore' };

export interface AnswerOptions {
  readonly transport: 'udp' | 'tcp';
  /** Whether there is an upstream server to ask for names that are not ours. */
  readonly forwarding: boolean;
}

/** Seconds that a client may keep an answer, and an answer that a name does not exist. Short: pods come and go. CoreDNS's value. */
const ttl = 5;
/** Aliases that are followed, one after the other. */
const longestAlias = 8;

/**
 * Answers a DNS message from a zone. Names below the cluster domain are decided here: NXDOMAIN for a name that does not exist, an empty answer for one that
 * has no record of the type asked for, both with the SOA. All other names are for the upstream servers; without any they are
 * refused, with the reason as an extended error, so that "we do not know" is never told as "it does not exist".
 * Malformed messages get FORMERR, other operations NOTIMP. Never throws, whatever the bytes.
 */
export function answerQuery(message: Buffer, zone: DnsZone, options: AnswerOptions): DnsAction {
  const read = readQuery(message);
  switch (read.kind) {
    case 'ignore':
      return read;
    case 'error':
      return { kind: 'respond', message: encodeError(read) };
    case 'query': {
      const response = decide(read.query, zone, options.forwarding);
      if (response === 'forward') return { kind: 'forward', query: read.query };
      return { kind: 'respond', message: encodeResponse(read.query, response, sizeLimit(read.query, options.transport)) };
    }
    default:
      return assertNever(read, 'message');
  }
}

/** The response that an upstream server's failure becomes: SERVFAIL, with the reason. */
export function upstreamFailure(query: DnsQuery, reason: string, transport: 'udp' | 'tcp'): Buffer {
  const response: DnsResponse = { ...plain(true), rcode: 'SERVFAIL', reason: { code: 22, text: reason } };
  return encodeResponse(query, response, sizeLimit(query, transport));
}

function decide(query: DnsQuery, zone: DnsZone, forwarding: boolean): DnsResponse | 'forward' {
  if (query.edns !== null && query.edns.version !== 0) return { ...plain(forwarding), rcode: 'BADVERS' };
  const refused = (text: string): DnsResponse => ({ ...plain(forwarding), rcode: 'REFUSED', reason: { code: 20, text } });
  if (query.type === 'AXFR' || query.type === 'IXFR') return refused('zone transfers are not offered');
  if (query.class !== 'IN' && query.class !== 'ANY') return refused(`class ${query.class} is not served`);
  const name = query.name.toLowerCase();
  const records = zone.names.get(name);
  const ours = records !== undefined || name === zone.domain || name.endsWith(`.${zone.domain}`);
  if (!ours) return forwarding ? 'forward' : refused(`the name is not in ${zone.domain} and no upstream name server is configured`);

  const own: DnsResponse = { ...plain(forwarding), authoritative: true };
  if (name === zone.domain && (query.type === 'SOA' || query.type === 'ANY')) return { ...own, answers: [soa(zone, query.name)] };
  const inZone = name === zone.domain || name.endsWith(`.${zone.domain}`) || name.endsWith('.arpa');
  const answers = answersOf(query, zone, records ?? []);
  if (answers.length === 0) {
    // the authority for a name outside is not known
    const authorities = inZone ? [soa(zone, zone.domain)] : [];
    return { ...own, rcode: records === undefined ? 'NXDOMAIN' : 'NOERROR', authorities };
  }
  const targets = answers.flatMap((answer) => (answer.type === 'SRV' ? addressesOf(zone, answer.data.target) : []));
  return { ...own, answers, additionals: targets };
}

/** Records of the type asked for; of an alias it and, as resolvers do, what it leads to. */
function answersOf(query: DnsQuery, zone: DnsZone, records: readonly ZoneRecord[]): Answer[] {
  const found: Answer[] = [];
  let name = query.name;
  let here = records;
  for (let steps = 0; steps <= longestAlias; steps += 1) {
    const matching = here.filter((record) => query.type === 'ANY' || record.kind === query.type || record.kind === 'CNAME');
    for (const record of matching) found.push(answerOf(name, record));
    const alias = matching.find((record) => record.kind === 'CNAME');
    if (alias?.kind !== 'CNAME' || query.type === 'CNAME') break;
    name = alias.target;
    here = zone.names.get(name.toLowerCase()) ?? [];
  }
  return found;
}

function plain(recursionAvailable: boolean): DnsResponse {
  return { rcode: 'NOERROR', authoritative: false, recursionAvailable, answers: [], authorities: [], additionals: [], reason: null };
}

/** Spares the client of an SRV record the next question. */
function addressesOf(zone: DnsZone, name: string): Answer[] {
  return (zone.names.get(name.toLowerCase()) ?? []).flatMap((record) =>
    record.kind === 'A' || record.kind === 'AAAA' ? [answerOf(name, record)] : [],
  );
}

function answerOf(name: string, record: ZoneRecord): Answer {
  switch (record.kind) {
    case 'A':
    case 'AAAA':
      return { type: record.kind, name, ttl, data: record.address };
    case 'PTR':
      return { type: 'PTR', name, ttl, data: record.target };
    case 'CNAME':
      return { type: 'CNAME', name, ttl, data: record.target };
    case 'SRV':
      return { type: 'SRV', name, ttl, data: { priority: 0, weight: 100, port: record.port, target: record.target } };
    case 'TXT':
      return { type: 'TXT', name, ttl, data: record.text };
    default:
      return assertNever(record, 'record');
  }
}

/** The start of authority; `minimum` is how long "does not exist" may be kept (RFC 2308 §5). */
function soa(zone: DnsZone, name: string): Answer {
  const data = {
    mname: `ns.dns.${zone.domain}`,
    rname: `hostmaster.${zone.domain}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: ttl,
  };
  return { type: 'SOA', name, ttl, data };
}
