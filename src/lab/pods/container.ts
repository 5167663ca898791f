import { killCgroup } from '../../kernel/index.ts';
import type { Container as ContainerManifest, Probe } from '../../manifests/types.ts';
import { signalProcess } from '../node/processes.ts';
import { backOffIsReset, restartDelayMs, shouldRestart } from '../plan/back-off.ts';
import type { ContainerCondition, ContainerState } from '../plan/container-state.ts';
import type { ContainerProcess, ProcessExit } from './container-process.ts';
import { startContainerProcess } from './container-process.ts';
import type { ContainerScript } from './container-script.ts';
import { ProbeLoop } from './probe-loop.ts';
import type { ProbeTarget } from './prober.ts';

export interface ContainerOptions {
  readonly name: string;
  /** Everything but the command line. */
  readonly sandbox: Omit<ContainerScript, 'argv'>;
  readonly argv: readonly string[];
  /** Runs once, before the gate opens. */
  readonly prepare: readonly string[] | null;
  readonly stopSignal: NodeJS.Signals;
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never';
  readonly readinessProbe: Probe | null;
  readonly livenessProbe: Probe | null;
  readonly ports: ContainerManifest['ports'];
  readonly probe: Omit<ProbeTarget, 'ports'>;
  readonly logFile: string;
  /** Resolves when the container may start (the sidecar is ready). */
  readonly gate: Promise<void>;
  readonly onChange: () => void;
  readonly onKillFailed: (error: unknown) => void;
}

/**
 * A container without a readiness probe is ready when it has run this long, so that a program which fails at once is never an endpoint
 * (Kubernetes calls it ready at once).
 */
const readyWithoutProbeMs = 250;

/** One container: starts it, probes it, restarts it with back-off, ends it. */
export class Container {
  readonly #options: ContainerOptions;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #state: ContainerState = { kind: 'waiting', reason: 'PodStarting' };
  #process: ContainerProcess | null = null;
  #ready = false;
  #gateOpen = false;
  #restarts = 0;
  #sinceReset = 0;
  #lastExit: ProcessExit | null = null;

  constructor(options: ContainerOptions) {
    this.#options = options;
    void options.gate.then(() => {
      this.#gateOpen = true;
    });
    this.#done = this.#run().catch((error: unknown) => {
      // No process could be made, or one survives SIGKILL: told by the state, and nothing is tried again.
      this.#setState({ kind: 'refused', reason: error instanceof Error ? error.message : String(error) });
    });
  }

  get condition(): ContainerCondition {
    return { name: this.#options.name, state: this.#state, ready: this.#ready, restarts: this.#restarts, lastExit: this.#lastExit };
  }

  /** What `lab exec` needs beside the process id. */
  get sandbox(): ContainerOptions['sandbox'] {
    return this.#options.sandbox;
  }

  get logFile(): string {
    return this.#options.logFile;
  }

  /**
   * Asks the process to end, waits, kills it with everything it started. No restart follows. Idempotent.
   * @param graceMs milliseconds between asking and killing
   */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort();
    const running = this.#process;
    if (running !== null) {
      signalProcess(running.pid, this.#options.stopSignal);
      const timer = setTimeout(() => void this.#kill(), graceMs);
      await running.exited;
      clearTimeout(timer);
    }
    await this.#done;
  }

  async #run(): Promise<void> {
    let prepared = this.#options.prepare === null;
    while (!this.#stop.signal.aborted) {
      const started = performance.now();
      let exit: ProcessExit;
      if (!prepared && this.#options.prepare !== null) {
        this.#setState({ kind: 'waiting', reason: 'Preparing' });
        exit = await this.#runProcess(this.#options.prepare, false);
        prepared = exit.exitCode === 0;
        if (prepared) continue;
      } else {
        if (!(await this.#passGate())) return;
        exit = await this.#runProcess(this.#options.argv, true);
      }
      if (this.#stop.signal.aborted) return;
      this.#lastExit = exit;
      if (!shouldRestart(this.#options.restartPolicy, exit.exitCode)) {
        this.#setState({ kind: 'ended', ...exit });
        return;
      }
      if (backOffIsReset(performance.now() - started)) this.#sinceReset = 0;
      const wait = restartDelayMs(this.#sinceReset);
      this.#setState({ kind: 'waiting', reason: 'CrashLoopBackOff' });
      await this.#sleep(wait);
      this.#sinceReset += 1;
      this.#restarts += 1;
    }
  }

  /** false when the container is stopped while it waits. */
  async #passGate(): Promise<boolean> {
    if (this.#gateOpen) return !this.#stop.signal.aborted;
    this.#setState({ kind: 'waiting', reason: 'ProxyStarting' });
    const { signal } = this.#stop;
    await Promise.race([
      this.#options.gate,
      new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
    ]);
    return !signal.aborted;
  }

  async #runProcess(argv: readonly string[], isMain: boolean): Promise<ProcessExit> {
    const { sandbox, logFile } = this.#options;
    const running = startContainerProcess({ ...sandbox, argv }, logFile);
    this.#process = running;
    const probes = isMain ? this.#startProbes(running) : [];
    if (isMain) this.#setState({ kind: 'running', pid: running.pid, since: performance.now() });
    const exit = await running.exited;
    for (const probe of probes) probe.close();
    // Children of the ended process go with it, as they do in a container's pid namespace.
    await this.#kill();
    this.#process = null;
    this.#ready = false;
    return exit;
  }

  async #kill(): Promise<void> {
    await killCgroup(this.#options.sandbox.cgroup).catch((error: unknown) => {
      // The pod's own removal does it again and reports.
      this.#options.onKillFailed(error);
    });
  }

  #startProbes(running: ContainerProcess): readonly { close(): void }[] {
    const { readinessProbe, livenessProbe, probe, ports } = this.#options;
    const named: Record<string, number> = {};
    for (const { name, containerPort } of ports) if (name !== null) named[name] = containerPort;
    const target: ProbeTarget = { ...probe, ports: named };
    const loops: { close(): void }[] = [];
    if (readinessProbe === null) {
      const timer = setTimeout(() => this.#setReady(true), readyWithoutProbeMs);
      loops.push({ close: () => clearTimeout(timer) });
    } else {
      loops.push(new ProbeLoop(readinessProbe, 'readiness', target, (verdict) => this.#setReady(verdict === 'success')));
    }
    if (livenessProbe !== null) {
      loops.push(
        new ProbeLoop(livenessProbe, 'liveness', target, (verdict) => {
          if (verdict === 'failure') signalProcess(running.pid, 'SIGKILL');
        }),
      );
    }
    return loops;
  }

  #setState(state: ContainerState): void {
    this.#state = state;
    this.#ready = false;
    this.#options.onChange();
  }

  #setReady(ready: boolean): void {
    if (this.#ready === ready || this.#process === null) return;
    this.#ready = ready;
    this.#options.onChange();
  }

  #sleep(milliseconds: number): Promise<void> {
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}
