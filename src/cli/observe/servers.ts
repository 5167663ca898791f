import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fromJsonString } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { notRoot } from '../../api/client.ts';
import { instancePaths } from '../../api/paths.ts';
import { UserError } from '../../base/errors.ts';
import { compileFilters } from '../../flow/filter/compile.ts';
import { nanosecondsOf } from '../../flow/wall-clock.ts';
import type { ClientTls } from '../../serve/hubble/client.ts';
import { hubbleClient } from '../../serve/hubble/client.ts';
import type { GetFlowsRequest, GetFlowsResponse } from '../../serve/hubble/gen/observer/observer_pb.js';
import { GetFlowsResponseSchema } from '../../serve/hubble/gen/observer/observer_pb.js';
import { runningInstance } from '../running-instance.ts';
import { mergeByTime, mergeFollowing } from './merge.ts';
import type { ObserveOptions } from './request.ts';

/** How long a server may take to say that it is there, in milliseconds. */
const answerMs = 10_000;

/** The servers that a command line names, or the one of its instance. */
export async function serversOf(options: ObserveOptions): Promise<readonly string[]> {
  if (options.server === null) return [`unix://${instancePaths(await runningInstance(options.instance)).hubbleSocket}`];
  return options.server
    .split(',')
    .map((server) => server.trim())
    .filter((server) => server !== '');
}

/**
 * The answers of all servers in the order of time. With several, one that fails is told to `warn` and the others go on.
 * Throws UserError FLOW_SERVER where none answers, FILTER_INVALID where the only one refuses the request, MACHINE_NOT_ROOT.
 */
export async function* askServers(
  servers: readonly string[],
  request: GetFlowsRequest,
  options: { readonly tls: ClientTls | null; readonly signal: AbortSignal; readonly warn: (text: string) => void },
): AsyncGenerator<GetFlowsResponse> {
  let failures = 0;
  const streams = servers.map(async function* (server): AsyncGenerator<GetFlowsResponse> {
    try {
      const client = hubbleClient(server, options.tls);
      await assertAnswers(client, options.signal);
      yield* client.getFlows(request, { signal: options.signal });
    } catch (error) {
      if (options.signal.aborted) return;
      failures += 1;
      const failure = serverError(server, error);
      if (failures === servers.length) throw failure;
      options.warn(`${failure.message}\n`);
    }
  });
  const [only] = streams;
  if (streams.length === 1 && only !== undefined) yield* only;
  else yield* request.follow ? mergeFollowing(streams) : mergeByTime(streams);
}

/** A process that is stopped keeps its sockets open, and flows may rightly take for ever to come: so it is asked something that it answers at once. */
async function assertAnswers(client: ReturnType<typeof hubbleClient>, signal: AbortSignal): Promise<void> {
  try {
    await client.serverStatus({}, { signal, timeoutMs: answerMs });
  } catch (error) {
    // any other refusal is an answer, too: of a server that knows flows and no status
    if ([Code.Unavailable, Code.DeadlineExceeded, Code.Canceled].includes(ConnectError.from(error).code)) throw error;
  }
}

function serverError(server: string, cause: unknown): UserError {
  const error = ConnectError.from(cause);
  if (error.code === Code.InvalidArgument) {
    return new UserError('FILTER_INVALID', `Cannot show flows because the server refuses the request: ${error.rawMessage}`, {
      cure: 'Change the filter.',
      command: 'millrace observe --help',
      exitCode: 2,
      cause,
    });
  }
  if (server.startsWith('unix://') && isNoAccess(error.cause)) return notRoot(server.slice('unix://'.length), cause);
  const hangs = error.code === Code.DeadlineExceeded;
  const reason = hangs ? `within ${answerMs} ms` : `: ${error.rawMessage}`;
  return new UserError('FLOW_SERVER', `Cannot show flows because ${server} does not answer${hangs ? ' ' : ''}${reason}`, {
    cure: hangs
      ? 'See whether its process is stopped or has no processor time.'
      : 'Start a lab or an agent, or name another server with --server.',
    command: 'millrace status',
    cause,
    data: { server },
  });
}

function isNoAccess(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EACCES';
}

/** Reads the files of the TLS options; null where there is none of them. Throws UserError FILE_UNREADABLE. */
export async function tlsOf(options: ObserveOptions): Promise<ClientTls | null> {
  const files = [options['tls-ca-cert-files'], options['tls-client-cert-file'], options['tls-client-key-file']] as const;
  const serverName = options['tls-server-name'];
  if (!options.tls && !options['tls-allow-insecure'] && serverName === null && files.every((file) => file === null)) return null;
  const [ca, cert, key] = await Promise.all(files.map((path) => (path === null ? undefined : readPem(path))));
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === null ? {} : { serverName }),
    allowInsecure: options['tls-allow-insecure'],
  };
}

async function readPem(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): UserError {
  return new UserError('FILE_UNREADABLE', `Cannot read a file because the system refuses: ${path}`, {
    cure: 'Name a file that exists and that you may read.',
    cause,
    data: { path },
  });
}

/** Flows that `-o json` has written before, in the order of the file; the filters of the request hold. Throws UserError FILE_UNREADABLE, FLOWS_INVALID. */
export async function* readFlows(input: NodeJS.ReadableStream, path: string, request: GetFlowsRequest): AsyncGenerator<GetFlowsResponse> {
  const wanted = compileFilters(request.whitelist, request.blacklist);
  const since = request.since === undefined ? null : nanosecondsOf(request.since);
  const until = request.until === undefined ? null : nanosecondsOf(request.until);
  let number = 0;
  const failed = new Promise<never>((_resolve, reject) => input.once('error', (cause) => reject(unreadable(path, cause))));
  // somebody else may read on when the loop below has ended
  failed.catch(() => {});
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]();
  for (;;) {
    const line = await Promise.race([lines.next(), failed]);
    if (line.done === true) return;
    number += 1;
    if (line.value.trim() === '') continue;
    const answer = parseLine(line.value, path, number);
    const { responseTypes } = answer;
    if (responseTypes.case === 'flow') {
      const time = responseTypes.value.time === undefined ? 0n : nanosecondsOf(responseTypes.value.time);
      if ((since !== null && time < since) || (until !== null && time > until) || !wanted(responseTypes.value)) continue;
    }
    yield answer;
  }
}

function parseLine(line: string, path: string, number: number): GetFlowsResponse {
  try {
    return fromJsonString(GetFlowsResponseSchema, line, { ignoreUnknownFields: true });
  } catch (cause) {
    throw new UserError('FLOWS_INVALID', `Cannot read flows because a line is not one of Hubble's JSON: line ${number} of ${path}`, {
      cure: 'Give a file that millrace observe -o json or hubble observe -o jsonpb has written.',
      where: { file: path, line: number, column: 1 },
      cause,
    });
  }
}
