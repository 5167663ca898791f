import { request } from 'node:http';
import type { ErrorCode } from '../base/codes.ts';
import { errorCodes } from '../base/codes.ts';
import { exitCodes, UserError } from '../base/errors.ts';
import type { PodRequest } from '../pods/types.ts';
import type { PolicyReference } from '../policy/types.ts';
import type { NameAnswer, NameOutcome, PolicyChange, PolicyOverview, PolicyUpdate, TraceAnswer, TraceRequest } from './policy-types.ts';
import { instanceOf, otherInstances } from './sockets.ts';
import type { AccelerationMode, AccelerationStatus, AgentStatus, ApiError, DnsReport, PodStatus, ServiceEntry } from './types.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds until the call fails; 10,000 unless told. */
  readonly timeoutMs?: number;
  /** Where nobody answers, look for instances that do, for a person who may have meant one of them; not for calls that are repeated. */
  readonly suggest?: boolean;
}

/** One JSON call over a unix socket. Throws AGENT_UNREACHABLE where nobody listens and the server's own error otherwise. */
export async function callUnixSocket(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
  options: CallOptions = {},
): Promise<unknown> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const payload = body === undefined ? null : JSON.stringify(body);
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const timeout = AbortSignal.timeout(timeoutMs);
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
  }).catch(async (cause: unknown) => {
    throw unreachable(socketPath, cause, timeoutMs, options.suggest === true ? await otherInstances(socketPath) : []);
  });
  const parsed: unknown = text === '' ? null : JSON.parse(text);
  if (status >= 400) throw asUserError(parsed, `${method} ${path} answered ${status}`, instanceOf(socketPath));
  return parsed;
}

/** Nobody answers: whether it never ran, ended or hangs, and which others run, so that a forgotten --instance is seen. */
function unreachable(socketPath: string, cause: unknown, timeoutMs: number, others: readonly string[]): UserError {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : String(cause);
  const reason = reasonOf(code, timeoutMs);
  const log = socketPath.replace(/sock$/, 'log');
  const cure =
    code === 'ABORT_ERR'
      ? `See whether the process is stopped or has no processor time, and its log: ${log}`
      : others.length === 0
        ? 'Start it, or name the instance that runs with --instance.'
        : `Start it, or name an instance that runs with --instance: ${others.join(', ')}.`;
  if (code === 'EACCES') return notRoot(socketPath, cause);
  return new UserError('AGENT_UNREACHABLE', `Cannot reach ${socketPath} because ${reason}: ${code}`, {
    cure,
    command: code === 'ABORT_ERR' ? `tail ${log}` : startCommand(socketPath),
    cause,
    data: { code, reason },
  });
}

/** Only root may ask: MACHINE_NOT_ROOT, with the command that is run, as root. Whether anybody would have answered cannot be told. */
export function notRoot(socketPath: string, cause: unknown): UserError {
  return new UserError(
    'MACHINE_NOT_ROOT',
    `Cannot reach ${socketPath} because it is root's alone: current uid ${process.geteuid?.() ?? -1}`,
    {
      cure: 'Run it as root.',
      command: `sudo ${process.argv.slice(1).join(' ')}`,
      exitCode: exitCodes.machine,
      cause,
    },
  );
}

/** What starts an agent of this instance. */
function startCommand(socketPath: string): string {
  const instance = instanceOf(socketPath);
  return instance === 'default' ? 'millrace agent' : `millrace agent --instance ${instance}`;
}

function reasonOf(code: string, timeoutMs: number): string {
  switch (code) {
    case 'ENOENT':
      return 'no process has opened it';
    case 'ECONNREFUSED':
    case 'ECONNRESET':
      return 'the process behind it has ended';
    case 'ABORT_ERR':
      return `the process behind it does not answer within ${timeoutMs} ms`;
    default:
      return 'nobody answers there';
  }
}

/** What the other side refused with, under its own code. It does not know by which name it was called, so commands get the instance here. */
function asUserError(body: unknown, fallback: string, instance: string): UserError {
  const error = body as Partial<ApiError> | null;
  const code = error?.code !== undefined && isErrorCode(error.code) ? error.code : 'AGENT_REFUSED';
  const command = error?.command ?? null;
  const isOurs = command?.startsWith('millrace ') === true && !command.includes('--instance');
  const complete = isOurs ? `${command} --instance ${instance}` : command;
  return new UserError(code, error?.message ?? fallback, {
    cure: error?.cure ?? 'See the log of the process that answered.',
    ...(complete === null ? {} : { command: complete }),
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

/** The typed client of the agent's local API (see types.ts for the routes). Stateless: every call opens its own connection. */
export class AgentClient {
  readonly #socketPath: string;
  readonly #defaults: CallOptions;

  /** @param defaults options of every call that does not say otherwise */
  constructor(socketPath: string, defaults: CallOptions = {}) {
    this.#socketPath = socketPath;
    this.#defaults = defaults;
  }

  async status(options?: CallOptions): Promise<AgentStatus> {
    return (await this.#call('GET', '/v1/status', undefined, options)) as AgentStatus;
  }

  async pods(options?: CallOptions): Promise<readonly PodStatus[]> {
    return (await this.#call('GET', '/v1/pods', undefined, options)) as readonly PodStatus[];
  }

  async enrol(pod: PodRequest, options?: CallOptions): Promise<PodStatus> {
    return (await this.#call('PUT', '/v1/pods', pod, options)) as PodStatus;
  }

  async release(name: string, options?: CallOptions): Promise<void> {
    await this.#call('DELETE', `/v1/pods/${encodeURIComponent(name)}`, undefined, options);
  }

  /** The agent's metrics, as Prometheus reads them. */
  async metrics(options?: CallOptions): Promise<{ readonly text: string; readonly contentType: string }> {
    return (await this.#call('GET', '/v1/metrics', undefined, options)) as { text: string; contentType: string };
  }

  /** Tells of questions that a name server answered. */
  async reportDns(report: DnsReport, options?: CallOptions): Promise<void> {
    await this.#call('POST', '/v1/dns', report, options);
  }

  async setServices(services: readonly ServiceEntry[], options?: CallOptions): Promise<void> {
    await this.#call('PUT', '/v1/services', services, options);
  }

  async acceleration(options?: CallOptions): Promise<AccelerationStatus> {
    return (await this.#call('GET', '/v1/acceleration', undefined, options)) as AccelerationStatus;
  }

  /** A self-test may have to end first: give it 30 seconds. */
  async accelerate(mode: AccelerationMode, options?: CallOptions): Promise<AccelerationStatus> {
    return (await this.#call('PUT', '/v1/acceleration', { mode }, { timeoutMs: 30_000, ...options })) as AccelerationStatus;
  }

  async policies(options?: CallOptions): Promise<PolicyOverview> {
    return (await this.#call('GET', '/v1/policies', undefined, options)) as PolicyOverview;
  }

  async setPolicies(update: PolicyUpdate, options?: CallOptions): Promise<PolicyChange> {
    return (await this.#call('PUT', '/v1/policies', update, options)) as PolicyChange;
  }

  async applyPolicies(policies: PolicyUpdate['policies'], options?: CallOptions): Promise<PolicyChange> {
    return (await this.#call('POST', '/v1/policies', { policies }, options)) as PolicyChange;
  }

  async deletePolicy({ kind, namespace, name }: PolicyReference, options?: CallOptions): Promise<PolicyChange> {
    const path = `/v1/policies/${encodeURIComponent(`${kind}/${namespace}/${name}`)}`;
    return (await this.#call('DELETE', path, undefined, options)) as PolicyChange;
  }

  async tracePolicy(request: TraceRequest, options?: CallOptions): Promise<TraceAnswer> {
    return (await this.#call('POST', '/v1/policy-trace', request, options)) as TraceAnswer;
  }

  /** Tells what DNS is about to tell a pod. */
  async learnName(answer: NameAnswer, options?: CallOptions): Promise<NameOutcome> {
    return (await this.#call('POST', '/v1/policy-names', answer, options)) as NameOutcome;
  }

  #call(method: string, path: string, body: unknown, options?: CallOptions): Promise<unknown> {
    return callUnixSocket(this.#socketPath, method, path, body, { ...this.#defaults, ...options });
  }
}
