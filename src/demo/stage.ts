import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentClient } from '../api/client.ts';
import { instancePaths } from '../api/paths.ts';
import { UserError } from '../base/errors.ts';
import { projectRoot } from '../base/project.ts';
import type { LabContainer, LabOptions, LabPod } from '../lab/api.ts';
import { LabClient } from '../lab/client.ts';
import { findContainer } from '../lab/exec.ts';
import { execCommand } from '../lab/pods/exec-command.ts';
import { untilSettled } from '../lab/wait.ts';
import { loadManifestFiles } from '../manifests/load.ts';

/** What a command in a container left behind. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
}

/** The running lab, as the steps use it. */
export class Stage {
  readonly options: LabOptions;
  readonly lab: LabClient;
  readonly agent: AgentClient;
  readonly #signal: AbortSignal;

  constructor(options: LabOptions, signal: AbortSignal) {
    this.options = options;
    this.lab = new LabClient(options.instance);
    this.agent = new AgentClient(instancePaths(options.instance).agentSocket);
    this.#signal = signal;
  }

  /** What a person would type to see the same in this lab. */
  typed(verb: string, words: string): string {
    return `millrace lab ${verb} --instance ${this.options.instance} ${words}`;
  }

  /** Applies files of examples/, as `kubectl apply -n demo -f` would. */
  async apply(...files: readonly string[]): Promise<void> {
    const paths = files.map((file) => join(projectRoot(), 'examples', file));
    const { manifests } = await loadManifestFiles(paths, { defaultNamespace: 'demo', signal: this.#signal });
    await this.lab.apply(manifests, { signal: this.#signal });
  }

  /** Waits until every pod is ready. Throws UserError LAB_NOT_READY. */
  async settled(): Promise<readonly LabPod[]> {
    const result = await untilSettled(this.lab, { timeoutMs: 60_000, signal: this.#signal, onStatus: () => undefined });
    if (result.kind === 'settled') return result.status.pods;
    this.#signal.throwIfAborted();
    const reason = result.kind === 'not ready' ? result.reason : 'it was interrupted';
    throw new UserError('LAB_NOT_READY', `Cannot show the demo because the lab is not ready: ${reason}`, {
      cure: 'Run the demo with --keep and look into the lab.',
      command: `millrace lab status --instance ${this.options.instance}`,
    });
  }

  async container(app: string, name: string): Promise<{ readonly pod: LabPod; readonly container: LabContainer }> {
    return findContainer({ instance: this.options.instance, pod: `app=${app}`, container: name, namespace: 'demo', signal: this.#signal });
  }

  /** The path of a pod's network namespace. */
  async netns(app: string): Promise<string> {
    const { pod } = await this.container(app, app);
    if (pod.netns === null) throw new Error(`the pod of ${app} has no namespace`);
    return pod.netns;
  }

  /** Runs a command in the application's container of a pod. */
  async exec(app: string, argv: readonly string[]): Promise<CommandResult> {
    const { container } = await this.container(app, app);
    if (container.exec === null) throw new Error(`the container ${app} does not run`);
    const [program = '', ...rest] = execCommand(container.exec, argv);
    return new Promise((resolve, reject) => {
      execFile(program, rest, { signal: this.#signal, timeout: 15_000 }, (error, stdout) => {
        if (error === null) resolve({ exitCode: 0, stdout });
        else if (typeof error.code === 'number') resolve({ exitCode: error.code, stdout });
        else reject(error);
      });
    });
  }

  /** The newest line of a sidecar's access log that `matches`, waited for up to two seconds; null when there is none. */
  async accessLogLine(app: string, matches: (line: string) => boolean): Promise<string | null> {
    const { container } = await this.container(app, 'istio-proxy');
    for (let attempt = 0; attempt < 40; attempt += 1) {
      const lines = (await readFile(container.log, 'utf8')).split('\n').filter(matches);
      const last = lines.at(-1);
      if (last !== undefined) return last;
      await sleep(50, undefined, { signal: this.#signal });
    }
    return null;
  }
}
