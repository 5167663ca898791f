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

const longestLine = 16_384;

/**
 * The format of src/mesh/envoy/access-log.ts. Only what stands behind the last field that a client can fill freely (the user agent) tells who spoke
 * with whom, and it is read from the end of the line: no client can write itself another address.
 */
const linePattern =
  /^\[(?<start>\S+)\] "(?<method>[A-Z]+) (?<path>\S+) (?<protocol>HTTP\/\S+)" (?<code>\d{1,3}) (?<flags>\S+) (?<details>\S+) .*? \d+ \d+ (?<duration>\d+) \S+ "(?<forwarded>[^"]*)" "(?<agent>.*)" "(?<id>[^"]*)" "(?<authority>[^" ]*)" "(?<upstream>[^" ]*)" (?<cluster>\S+) \S+ (?<local>\S+) (?<remote>\S+) \S+ \S+ "[^" ]*"(?: "RBAC: access denied")?$/;

/**
 * Reads one line of a proxy's access log. Null for a line about a TCP connection, or of another format.
 * @param podAddresses the addresses of the pod whose proxy wrote the line, to tell its requests from those of others; without them the cluster tells
 */
export function parseAccessLog(line: string, podAddresses: readonly string[] = []): HttpExchange | null {
  if (line.length > longestLine) return null;
  const field = linePattern.exec(line.trimEnd())?.groups;
  if (field === undefined) return null;
  const client = parsePlace(field.remote ?? '');
  const dialled = parsePlace(field.local ?? '');
  const startMs = Date.parse(field.start ?? '');
  if (client === null || dialled === null || Number.isNaN(startMs)) return null;
  const outbound = podAddresses.length === 0 ? !/^(inbound\||Inbound)/.test(field.cluster ?? '') : podAddresses.includes(client.address);
  const upstream = parsePlace(field.upstream ?? '');
  const flags = field.flags ?? '-';
  return {
    startNs: BigInt(startMs) * 1_000_000n,
    durationMs: Number(field.duration),
    method: field.method ?? '',
    path: field.path ?? '',
    protocol: field.protocol ?? '',
    authority: field.authority ?? '',
    code: Number(field.code),
    refused: field.details?.startsWith('rbac_access_denied') ?? false,
    failed: upstream === null && flags !== '-',
    direction: outbound ? 'egress' : 'ingress',
    client,
    // Inbound, the upstream is the application on loopback; who was asked is the pod.
    server: outbound ? (upstream ?? dialled) : dialled,
    dialled,
    headers: [
      { key: 'User-Agent', value: field.agent ?? '-' },
      { key: 'X-Forwarded-For', value: field.forwarded ?? '-' },
      { key: 'X-Request-Id', value: field.id ?? '-' },
    ].filter(({ value }) => value !== '-' && value !== ''),
  };
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
