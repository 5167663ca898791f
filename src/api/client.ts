import { request } from 'node:http';
import type { ErrorCode } from '../base/codes.ts';
import { errorCodes } from '../base/codes.ts';
import { UserError } from '../base/errors.ts';
import type { PodRequest } from '../pods/types.ts';
import type { AgentStatus, ApiError, PodStatus, ServiceEntry } from './types.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds until the call fails; 10,000 unless told. */
  readonly timeoutMs?: number;
}

/** One JSON call over a unix socket. Throws AGENT_UNREACHABLE where nobody listens and the server's own error otherwise. */
export async function callUnixSocket(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
  options: CallOptions = {},
): Promise<unknown> {
  const payload = body === undefined ? null : JSON.stringify(body);
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? 10_000);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
    const headers = payload === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    const call = request({ socketPath, method, path, headers, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
    });
    call.on('error', reject);
    call.end(payload ?? undefined);
  }).catch((cause: unknown) => {
    throw new UserError('AGENT_UNREACHABLE', `Cannot reach ${socketPath} because nobody answers there: ${describe(cause)}`, {
      cure: 'Start it, or name the instance that runs with --instance.',
      cause,
    });
  });
  const parsed: unknown = text === '' ? null : JSON.parse(text);
  if (status >= 400) throw asUserError(parsed, `${method} ${path} answered ${status}`);
  return parsed;
}

function describe(cause: unknown): string {
  if (cause instanceof Error) return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
  return String(cause);
}

/** What the other side refused with, under its own code. */
function asUserError(body: unknown, fallback: string): UserError {
  const error = body as Partial<ApiError> | null;
  const code = error?.code !== undefined && isErrorCode(error.code) ? error.code : 'AGENT_REFUSED';
  return new UserError(code, error?.message ?? fallback, { cure: error?.cure ?? 'See the log of the process that answered.' });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

/** The typed client of the agent's local API (see types.ts for the routes). Stateless: every call opens its own connection. */
export class AgentClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  async status(options?: CallOptions): Promise<AgentStatus> {
    return (await callUnixSocket(this.#socketPath, 'GET', '/v1/status', undefined, options)) as AgentStatus;
  }

  async pods(options?: CallOptions): Promise<readonly PodStatus[]> {
    return (await callUnixSocket(this.#socketPath, 'GET', '/v1/pods', undefined, options)) as readonly PodStatus[];
  }

  async enrol(pod: PodRequest, options?: CallOptions): Promise<PodStatus> {
    return (await callUnixSocket(this.#socketPath, 'PUT', '/v1/pods', pod, options)) as PodStatus;
  }

  async release(name: string, options?: CallOptions): Promise<void> {
    await callUnixSocket(this.#socketPath, 'DELETE', `/v1/pods/${encodeURIComponent(name)}`, undefined, options);
  }

  async setServices(services: readonly ServiceEntry[], options?: CallOptions): Promise<void> {
    await callUnixSocket(this.#socketPath, 'PUT', '/v1/services', services, options);
  }
}
