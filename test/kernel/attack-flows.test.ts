import { readdirSync } from 'node:fs';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { instancePaths } from '../../src/api/paths.ts';
import type { DnsReportEntry } from '../../src/api/types.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { hubbleClient } from '../../src/serve/hubble/client.ts';
import { GetFlowsRequestSchema, GetFlowsResponseSchema } from '../../src/serve/hubble/gen/observer/observer_pb.js';
import type { AgentProcess } from '../support/agent-process.ts';
import { createAgentInstance } from '../support/agent-process.ts';
import { until } from '../support/run-process.ts';

/** Clients of the Hubble API that mean harm, on the socket of a running agent. */
const cleanup = new Cleanup();
let agent: AgentProcess;
let socketPath: string;
let client: ReturnType<typeof hubbleClient>;
/** Calls that were begun and are never finished. */
let half: readonly ClientHttp2Stream[];

beforeAll(async () => {
  const instance = cleanup.use(createAgentInstance());
  agent = instance.start(['--accelerate', 'off']);
  await agent.ready();
  socketPath = instancePaths(instance.name).hubbleSocket;
  client = hubbleClient(`unix://${socketPath}`, null);
  const one = await session(cleanup);
  half = Array.from({ length: 90 }, () => {
    const stream = one.request({ ':method': 'POST', ':path': '/observer.Observer/ServerStatus', 'content-type': 'application/grpc' });
    stream.on('error', () => undefined);
    stream.write(Buffer.from([0, 0, 0, 100, 0, 1]));
    return stream;
  });
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const descriptors = () => readdirSync(`/proc/${agent.pid}/fd`).length;
const megabytes = async () => (await agent.client.status()).rssBytes / 1024 / 1024;

/** A connection of its own, with what has been written and read so far left to the caller. */
async function session(own: Cleanup): Promise<ClientHttp2Session> {
  const made = connectHttp2('http://localhost', { createConnection: () => connect(socketPath) });
  made.on('error', () => undefined);
  own.defer(async () => made.destroy());
  await until('a connection', async () => (made.connecting ? null : true));
  return made;
}

/** A GetFlows whose answer nobody reads yet. */
function follow(from: ClientHttp2Session): ClientHttp2Stream {
  const stream = from.request({
    ':method': 'POST',
    ':path': '/observer.Observer/GetFlows',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  const message = toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, { follow: true }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([head, message]));
  return stream;
}

/** Begins to read a stream, and counts what comes. */
function count(stream: ClientHttp2Stream): { flows: number; lost: number } {
  const seen = { flows: 0, lost: 0 };
  let rest = Buffer.alloc(0);
  stream.on('data', (data: Buffer) => {
    rest = Buffer.concat([rest, data]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      const { responseTypes } = fromBinary(GetFlowsResponseSchema, rest.subarray(5, end));
      if (responseTypes.case === 'flow') seen.flows += 1;
      if (responseTypes.case === 'lostEvents') seen.lost += Number(responseTypes.value.numEventsLost);
      rest = rest.subarray(end);
    }
  });
  return seen;
}

const place = (address: string, port: number) => ({ address, port });
const exchange = (index: number): DnsReportEntry => ({
  timeMs: Date.now(),
  latencyMs: 1,
  transport: 'UDP',
  client: place('10.9.0.2', 1024 + index),
  server: place('10.9.0.1', 53),
  query: `${'x'.repeat(60)}.${'y'.repeat(60)}.example.`,
  type: 'A',
  code: 0,
  addresses: ['203.0.113.9'],
  names: [],
  types: ['A'],
  ttl: 30,
});

/** Lets so many flows happen: two for each exchange. Returns how many. */
async function happen(reports: number): Promise<number> {
  const exchanges = Array.from({ length: 1000 }, (_, index) => exchange(index));
  for (let report = 0; report < reports; report += 1) await agent.client.reportDns({ exchanges, skipped: 0 });
  return reports * 2000;
}

describe('the Hubble API of an agent', () => {
  it('lets connections that ask for nothing make way for those that do', async () => {
    const before = descriptors();
    const sockets = Array.from({ length: 1000 }, () => connect(socketPath).on('error', () => undefined));
    try {
      await until('all were taken or closed', async () => (sockets.every((socket) => !socket.connecting) ? true : null));
      expect(await client.serverStatus({})).toMatchObject({ numConnectedNodes: 1 });
      await until('the agent has closed those that are too many', async () => (descriptors() - before < 300 ? true : null));
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    await until('the agent holds none', async () => (descriptors() - before < 5 ? true : null));
  });

  it('serves so many followers and no more, and of those that never read, keeps nothing but a place', async () => {
    await using own = new Cleanup();
    const sessions = await Promise.all(Array.from({ length: 50 }, () => session(own)));
    const streams = sessions.flatMap((each) => Array.from({ length: 20 }, () => follow(each)));
    const refused = new Set<ClientHttp2Stream>();
    for (const stream of streams) {
      // refused before the request was read, or after
      const judge = (headers: IncomingHttpHeaders): void => {
        if (headers['grpc-status'] === String(Code.ResourceExhausted)) refused.add(stream);
      };
      stream.on('response', judge);
      stream.on('trailers', judge);
      // what is not read has no trailers: they come after its end
      stream.once('readable', () => stream.read(0));
    }
    const mostFollowers = 64;
    await until('all but those that are served were refused', async () => (refused.size >= 1000 - mostFollowers ? true : null));
    const served = streams.filter((stream) => !refused.has(stream));
    expect(served).toHaveLength(mostFollowers);
    // one of them reads after all
    const [reader, ...silent] = served;
    if (reader === undefined) throw new Error('nobody follows');
    const quick = count(reader);
    const hears = () =>
      until('the one that reads has heard of everything', async () => (quick.flows + quick.lost === happened ? true : null));
    let happened = await happen(8);
    await hears();
    expect(quick.flows).toBeGreaterThan(4000);
    const before = await megabytes();
    happened += await happen(16);
    await hears();
    expect((await megabytes()) - before).toBeLessThan(30);
    const told = silent.slice(0, 5).map(count);
    await until('the others hear what they missed', async () => (told.every(({ flows, lost }) => flows + lost === happened) ? true : null));
    for (const { lost } of told) expect(lost).toBeGreaterThan(0);
    // and there is room again
    for (const each of sessions) each.close(() => undefined);
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    await until('somebody else is served', async () => {
      for await (const _ of client.getFlows({ number: 1n })) return true;
      return null;
    });
  });

  it('ends calls of which nothing more comes', async () => {
    await until('all are ended', async () => (half.every(({ closed }) => closed) ? true : null));
    expect(await client.serverStatus({})).toMatchObject({ numConnectedNodes: 1 });
  });

  const text = (length: number) => 'x'.repeat(length);
  type Request = MessageInitShape<typeof GetFlowsRequestSchema>;
  it.each<readonly [string, Request, Code]>([
    ['an expression that is none', { whitelist: [{ httpPath: ['('] }] }, Code.InvalidArgument],
    ['an expression that is long', { whitelist: [{ httpPath: [text(60_000)] }] }, Code.InvalidArgument],
    ['very many expressions', { whitelist: [{ httpPath: Array.from({ length: 500 }, () => 'a*b*c*d*e') }] }, Code.InvalidArgument],
    ['a range that is none', { whitelist: [{ sourceIp: ['10.0.0.0/99'] }] }, Code.InvalidArgument],
    ['an address as long as a book', { whitelist: [{ sourceIp: [text(60_000)] }] }, Code.InvalidArgument],
    ['very many filters', { whitelist: Array.from({ length: 20_000 }, () => ({})) }, Code.InvalidArgument],
    ['very many filters to leave out', { blacklist: Array.from({ length: 20_000 }, () => ({})) }, Code.InvalidArgument],
    ['more than a request may hold', { whitelist: [{ sourcePod: [text(2_000_000)] }] }, Code.ResourceExhausted],
    ['a mask of nothing', { fieldMask: { paths: ['__proto__'] } }, Code.InvalidArgument],
    ['first and follow', { first: true, follow: true }, Code.InvalidArgument],
  ])('refuses %s', async (_what, request, code) => {
    const run = async () => {
      for await (const _ of client.getFlows(request));
    };
    const error = await run().catch((reason: unknown) => reason);
    expect(ConnectError.from(error).code).toBe(code);
    expect(String(error).length).toBeLessThan(2000);
  });

  const most = 2n ** 63n - 1n;
  it.each<readonly [string, Request]>([
    ['more flows than there ever are', { number: 2n ** 64n - 1n }],
    ['from the end of time', { since: { seconds: most, nanos: 999_999_999 } }],
    ['from before all time', { since: { seconds: -most, nanos: -2_147_483_648 }, until: { seconds: most, nanos: 2_147_483_647 } }],
    ['ports that there are not', { whitelist: [{ sourcePort: ['99999999999', '-1', '', 'NaN'] }] }],
    ['very many ranges', { whitelist: [{ sourceIp: Array.from({ length: 9000 }, () => '::/1') }] }],
    ['very many names', { whitelist: [{ sourcePod: Array.from({ length: 9000 }, (_, index) => String(index)) }] }],
    ['a thousand filters', { whitelist: Array.from({ length: 1000 }, () => ({ sourceIp: ['10.0.0.0/30', '::/1'] })) }],
  ])('answers or refuses %s, and others meanwhile', async (_what, request) => {
    const run = async (): Promise<string> => {
      for await (const _ of client.getFlows({ number: 200n, ...request }));
      return 'answered';
    };
    let asking = true;
    const answer = run()
      .catch((error: unknown) => Code[ConnectError.from(error).code])
      .finally(() => {
        asking = false;
      });
    const waited: number[] = [];
    do {
      const started = performance.now();
      await agent.client.status();
      waited.push(performance.now() - started);
    } while (asking);
    expect(['answered', 'InvalidArgument']).toContain(await answer);
    expect(Math.max(...waited)).toBeLessThan(1000);
  });
});
