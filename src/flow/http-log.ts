import { direction, verdict } from './codes.ts';
import type { FlowContext } from './flow-of-event.ts';
import type { Place } from './message-flow.ts';
import { flowOfMessage, parsePlace } from './message-flow.ts';
import type { Flow, HttpRecord } from './types.ts';

/** One request and its answer, as a proxy saw them. */
export interface HttpExchange {
  readonly startNs: bigint;
  readonly durationMs: number;
  readonly method: string;
  readonly path: string;
  readonly protocol: string;
  readonly authority: string;
  readonly code: number;
  /** A policy of the proxy refused it. */
  readonly refused: boolean;
  /** The proxy could not reach anybody (Envoy's response flags). */
  readonly failed: boolean;
  readonly direction: 'ingress' | 'egress';
  readonly client: Place;
  readonly server: Place;
  readonly dialled: Place;
  readonly headers: readonly { readonly key: string; readonly value: string }[];
}

/** Above what a proxy takes of headers (60 KiB), so that nobody is unseen who sends much. */
const longestLine = 65_536;
/** Characters of a field that are kept: thousands of flows are. */
const longestField = 1024;

/** The format of src/mesh/envoy/access-log.ts, up to the first field that a client can fill freely, which is not among these but for the path. */
const headPattern =
  /^\[(\S+)\] "([A-Z]+) (\S+) (HTTP\/(?:0\.9|1\.0|1\.1|2|3))" (0|[1-9]\d\d) (\S+) (\S+) \S+ "[^"]*" \d+ \d+ (\d{1,12}) \S+ "/;
const refusedEnd = ' "RBAC: access denied"';

/** What stands at the end of a line. */
interface Tail {
  readonly forwarded: string;
  readonly agent: string;
  readonly id: string;
  readonly authority: string;
  readonly upstream: string;
  readonly cluster: string;
  readonly local: string;
  readonly remote: string;
}

/**
 * Reads the fields behind the head from the end of the line backwards: what a client wrote stands before them, so no client can write itself another
 * address. Takes time linear in the line. Null for another format.
 */
function readTail(text: string): Tail | null {
  let rest = text.endsWith(refusedEnd) ? text.slice(0, -refusedEnd.length) : text;
  const takeFrom = (mark: string): string => {
    const at = rest.lastIndexOf(mark);
    const field = at < 0 ? '' : rest.slice(at + mark.length);
    rest = at < 0 ? '' : rest.slice(0, at);
    return field;
  };
  const takeQuoted = (): string | null => {
    if (!rest.endsWith('"')) return null;
    rest = rest.slice(0, -1);
    return takeFrom(' "');
  };
  // the name in the peer's certificate, then the route, the server name and the addresses
  takeQuoted();
  const [, , remote = '', local = '', , cluster = ''] = Array.from({ length: 6 }, () => takeFrom(' '));
  const upstream = takeQuoted();
  const authority = takeQuoted();
  const id = takeQuoted();
  const middle = rest.indexOf('" "');
  if (upstream === null || authority === null || id === null || middle < 0 || !rest.endsWith('"')) return null;
  const agent = rest.slice(middle + 3, -1);
  return { forwarded: rest.slice(0, middle), agent, id, authority, upstream, cluster, local, remote };
}

/** What a container runtime writes before a whole line (Kubernetes' CRI log format). */
const runtimePrefix = /^\S{20,40} stdout F /;

/**
 * Reads one line of a proxy's access log. Null for a line about a TCP connection, or of another format, and for one about a connection that is none
 * of the pod's: a pod owns its proxy and may write what it likes, but only of itself.
 * @param podAddresses the addresses of the pod whose proxy wrote the line, to tell its requests from those of others; without them the cluster tells
 */
export function parseAccessLog(line: string, podAddresses: readonly string[] = []): HttpExchange | null {
  if (line.length > longestLine) return null;
  const text = line.trimEnd().replace(runtimePrefix, '');
  const head = headPattern.exec(text);
  const tail = head === null ? null : readTail(text.slice(head[0].length));
  if (head === null || tail === null) return null;
  const [, start = '', method, path, protocol, code, flags = '-', details = '', duration] = head;
  const client = parsePlace(tail.remote);
  const dialled = parsePlace(tail.local);
  const startMs = Date.parse(start);
  if (client === null || dialled === null || Number.isNaN(startMs)) return null;
  const inbound = /^(inbound\||Inbound)/.test(tail.cluster);
  const outbound = podAddresses.length === 0 ? !inbound : !inbound && podAddresses.includes(client.address);
  if (podAddresses.length > 0 && !podAddresses.includes(outbound ? client.address : dialled.address)) return null;
  const upstream = parsePlace(tail.upstream);
  return {
    startNs: BigInt(startMs) * 1_000_000n,
    durationMs: Number(duration),
    method: harmless(method),
    path: harmless(path),
    protocol: harmless(protocol),
    authority: harmless(tail.authority),
    code: Number(code),
    refused: details.startsWith('rbac_access_denied'),
    failed: upstream === null && flags !== '-',
    direction: outbound ? 'egress' : 'ingress',
    client,
    // Inbound, the upstream is the application on loopback; who was asked is the pod.
    server: outbound ? (upstream ?? dialled) : dialled,
    dialled,
    headers: [
      { key: 'User-Agent', value: harmless(tail.agent) },
      { key: 'X-Forwarded-For', value: harmless(tail.forwarded) },
      { key: 'X-Request-Id', value: harmless(tail.id) },
    ].filter(({ value }) => value !== '-' && value !== ''),
  };
}

/** What a client wrote, without what a terminal would obey (`%1b` for it), and as a text of its own: a part of a line keeps the whole line in memory. */
function harmless(text = ''): string {
  const kept = text.length > longestField ? `${text.slice(0, longestField)}…` : text;
  const clean = kept.replace(/[^ -~\u00a0-\uffff]/g, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return Buffer.from(clean).toString();
}

/** Two flows: the request when it came, the answer when it went. */
export function flowsOfHttp(exchange: HttpExchange, context: FlowContext): readonly [request: Flow, answer: Flow] {
  const url = exchange.path.startsWith('/') ? `http://${exchange.authority}${exchange.path}` : exchange.path;
  const record: HttpRecord = { code: 0, method: exchange.method, url, protocol: exchange.protocol, headers: exchange.headers };
  const latencyNs = BigInt(exchange.durationMs) * 1_000_000n;
  const common = {
    client: exchange.client,
    server: exchange.server,
    dialled: exchange.dialled,
    transport: 'TCP',
    direction: direction[exchange.direction],
  } as const;
  const request = flowOfMessage(
    {
      ...common,
      timeNs: exchange.startNs,
      answer: false,
      // Hubble's way: the request was stopped, and the answer that says so was sent
      verdict: exchange.refused ? verdict.dropped : exchange.failed ? verdict.error : verdict.forwarded,
      record: { case: 'http', value: record },
      latencyNs: 0n,
      summary: `${exchange.protocol} ${exchange.method} ${url}`,
    },
    context,
  );
  const answer = flowOfMessage(
    {
      ...common,
      timeNs: exchange.startNs + latencyNs,
      answer: true,
      verdict: verdict.forwarded,
      record: { case: 'http', value: { ...record, code: exchange.code } },
      latencyNs,
      summary: `${exchange.protocol} ${exchange.code} ${exchange.durationMs}ms (${exchange.method} ${url})`,
    },
    context,
  );
  return [request, answer];
}
