import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentClient } from '../../api/client.ts';
import type { NameAnswer, PolicyUpdate } from '../../api/policy-types.ts';
import type { DnsReport, ServiceEntry } from '../../api/types.ts';
import { UserError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { PodRequest } from '../../pods/types.ts';
import type { LabAcceleration, LabStatus } from '../api.ts';
import { toolEnvironment } from '../node/tools.ts';
import { restartDelayMs } from '../plan/back-off.ts';
import { shellWords } from '../pods/shell.ts';
import type { NodeAgentPort } from './node-agent.ts';

export interface AgentProcessOptions {
  /** The agent's command line. */
  readonly argv: readonly string[];
  /** The cgroup the agent itself runs in; not the one it attaches to. */
  readonly cgroup: string;
  readonly socket: string;
  readonly logFile: string;
  readonly log: Logger;
  readonly onChange: () => void;
}

const pollMs = 20;
/** An answer of the name server waits no longer. */
const nameMs = 1000;
/** A status of the lab waits no longer for the agent's part of it. */
const refreshMs = 1000;

/**
 * The agent as a child process: started, started again when it ends (redirection does not depend on it: programs and maps are pinned), and
 * told everything again each time. Owns the process.
 */
export class AgentProcess implements NodeAgentPort {
  readonly #options: AgentProcessOptions;
  readonly #client: AgentClient;
  readonly #stop = new AbortController();
  readonly #pods = new Map<string, PodRequest>();
  readonly #loop: Promise<void>;
  #services: readonly ServiceEntry[] | null = null;
  #policies: PolicyUpdate | null = null;
  #policyProblem: string | null = null;
  #policiesSent: Promise<void> = Promise.resolve();
  #child: ChildProcess | null = null;
  #state: LabStatus['agent']['state'] = 'starting';
  #restarts = 0;
  #lastError: string | null = null;
  #running: PromiseWithResolvers<void> = withResolvers();
  #servicesSent: Promise<void> = Promise.resolve();
  #acceleration: LabAcceleration | null = null;

  constructor(options: AgentProcessOptions) {
    this.#options = options;
    this.#client = new AgentClient(options.socket);
    this.#loop = this.#run();
  }

  async enrol(pod: PodRequest, signal: AbortSignal): Promise<void> {
    this.#pods.set(pod.name, pod);
    for (;;) {
      await abortable(this.#running.promise, signal);
      try {
        await this.#client.enrol(pod, { signal });
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!isUnreachable(error)) throw error;
        // It died under the call; the loop has noticed or will in a moment.
        await delay(pollMs);
      }
    }
  }

  async release(name: string): Promise<void> {
    this.#pods.delete(name);
    if (this.#state !== 'running') return;
    try {
      await this.#client.release(name);
    } catch (error) {
      this.#options.log.warn({ pod: name, err: error }, 'the agent did not release a pod');
    }
  }

  setServices(services: readonly ServiceEntry[]): void {
    this.#services = services;
    if (this.#state === 'running') this.#sendServices();
  }

  async setPolicies(update: PolicyUpdate): Promise<void> {
    this.#policies = update;
    if (this.#state === 'running') await this.#sendPolicies();
  }

  /** Tells what the name server answered. @throws UserError AGENT_UNREACHABLE, AGENT_REFUSED */
  async reportDns(report: DnsReport): Promise<void> {
    await this.#client.reportDns(report);
  }

  /** Tells what the name server is about to answer; resolves when the kernel judges by it. @throws UserError AGENT_UNREACHABLE, AGENT_REFUSED */
  async learnName(answer: NameAnswer): Promise<void> {
    await this.#client.learnName(answer, { timeoutMs: nameMs });
  }

  get policyProblem(): string | null {
    return this.#policyProblem;
  }

  status(): LabStatus['agent'] {
    return { state: this.#state, pid: this.#child?.pid ?? null, restarts: this.#restarts, lastError: this.#lastError };
  }

  get acceleration(): LabAcceleration | null {
    return this.#acceleration;
  }

  async refresh(): Promise<void> {
    if (this.#state !== 'running') return;
    try {
      const { active, testing, mode, reason } = await this.#client.acceleration({ timeoutMs: refreshMs });
      this.#acceleration = { state: active ? 'on' : testing ? 'testing' : 'off', mode, reason };
    } catch (error) {
      this.#options.log.debug({ err: error }, 'the agent did not say whether it accelerates');
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#child?.kill('SIGTERM');
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), 3000);
    await this.#loop;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const exited = this.#start();
      const ended = exited.then(() => false);
      if (await Promise.race([this.#becomesReady(), ended])) await this.#welcome();
      const reason = await exited;
      this.#child = null;
      if (signal.aborted) return;
      if (this.#state === 'running') this.#running = withResolvers();
      this.#state = 'restarting';
      this.#lastError = reason;
      this.#options.log.warn({ reason, count: this.#restarts }, 'the agent ended');
      this.#options.onChange();
      await delay(restartDelayMs(this.#restarts), undefined, { signal }).catch(() => undefined);
      this.#restarts += 1;
    }
  }

  /** Resolves with the reason when the process has ended. */
  #start(): Promise<string> {
    const { argv, cgroup, logFile } = this.#options;
    const log = openSync(logFile, 'a', 0o600);
    const script = `set -eu\necho $$ > ${cgroup}/cgroup.procs\nexec setpriv --pdeathsig KILL -- ${shellWords(argv)}`;
    const child = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', log, log], env: { ...process.env, ...toolEnvironment }, cwd: '/' });
    closeSync(log);
    this.#child = child;
    return new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signalName) => resolve(signalName === null ? `exit code ${code}` : `signal ${signalName}`));
    });
  }

  async #becomesReady(): Promise<boolean> {
    const child = this.#child;
    while (!this.#stop.signal.aborted && this.#child === child) {
      try {
        const status = await this.#client.status({ timeoutMs: 2000 });
        if (status.pid === child?.pid) return true;
      } catch (error) {
        // Not listening yet; how it ends is told by its exit.
        this.#options.log.debug({ err: error }, 'the agent does not answer yet');
      }
      await delay(pollMs);
    }
    return false;
  }

  async #welcome(): Promise<void> {
    // first of all: no pod is there for a moment without its policy
    await this.#sendPolicies();
    for (const pod of this.#restarts === 0 ? [] : this.#pods.values()) {
      try {
        await this.#client.enrol(pod);
      } catch (error) {
        this.#options.log.error({ pod: pod.name, err: error }, 'the new agent did not take a pod');
      }
    }
    this.#state = 'running';
    if (this.#services !== null) this.#sendServices();
    this.#running.resolve();
    this.#options.onChange();
  }

  /** One after the other, and only the newest list. */
  #sendPolicies(): Promise<void> {
    this.#policiesSent = this.#policiesSent.then(async () => {
      const policies = this.#policies;
      if (policies === null) return;
      try {
        await this.#client.setPolicies(policies);
        this.#policyProblem = null;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#policyProblem = isUnreachable(error)
          ? null
          : `policies do not hold: ${error instanceof Error ? error.message : String(error)}`;
        this.#options.log.warn({ err: error }, 'the agent did not take the policies');
      }
    });
    return this.#policiesSent;
  }

  /** One after the other, and only the newest table. */
  #sendServices(): void {
    this.#servicesSent = this.#servicesSent.then(async () => {
      const services = this.#services;
      if (services === null) return;
      try {
        await this.#client.setServices(services);
      } catch (error) {
        if (!this.#stop.signal.aborted) this.#options.log.warn({ err: error }, 'the agent did not take the services');
      }
    });
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers(): PromiseWithResolvers<void> {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function abortable(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, reject);
  });
}

function isUnreachable(error: unknown): boolean {
  return error instanceof UserError && error.code === 'AGENT_UNREACHABLE';
}
