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
import type { PolicyReference } from '../policy/types.ts';

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

  /** How many containers of an application's pod are ready, `sleep 2/2`, when all pods are. */
  async ready(app: string): Promise<string> {
    const found = (await this.settled()).find(({ owner }) => owner === app);
    return found === undefined ? `no ${app}` : `${app} ${found.containers.filter(({ ready }) => ready).length}/${found.containers.length}`;
  }

  /** What the kernel makes of a policy, in words. */
  async policyState(wanted: PolicyReference): Promise<string> {
    const { policies } = await this.agent.policies();
    const found = policies.find(
      ({ reference: { kind, namespace, name } }) => kind === wanted.kind && namespace === wanted.namespace && name === wanted.name,
    );
    if (found === undefined) return 'the agent does not have it';
    if (!found.valid) return `invalid: ${found.reasons.join('; ')}`;
    if (found.notEnforced.length > 0) return `not enforced: ${found.notEnforced[0]?.reason}`;
    return `valid, isolates the ${found.isolates.join(' and ')} of ${found.pods.length} ${found.pods.length === 1 ? 'pod' : 'pods'}`;
  }

  async container(app: string, name: string, namespace = 'demo'): Promise<{ readonly pod: LabPod; readonly container: LabContainer }> {
    return findContainer({ instance: this.options.instance, pod: `app=${app}`, container: name, namespace, signal: this.#signal });
  }

  /** The first address of an application's pod. */
  async address(app: string, container = app): Promise<string> {
    const { pod } = await this.container(app, container);
    const [first] = pod.addresses;
    if (first === undefined) throw new Error(`the pod of ${app} has no address`);
    return first;
  }

  /** The path of a pod's network namespace. */
  async netns(app: string): Promise<string> {
    const { pod } = await this.container(app, app);
    if (pod.netns === null) throw new Error(`the pod of ${app} has no namespace`);
    return pod.netns;
  }

  /** Runs a command in the application's container of a pod. */
  async exec(app: string, argv: readonly string[], where: { readonly namespace?: string } = {}): Promise<CommandResult> {
    const { container } = await this.container(app, app, where.namespace);
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
