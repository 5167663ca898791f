import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentClient } from '../../src/api/client.ts';
import { instancePaths } from '../../src/api/paths.ts';
import { findCgroup2 } from '../../src/kernel/index.ts';
import type { LabContainer, LabPod } from '../../src/lab/api.ts';
import { LabClient } from '../../src/lab/client.ts';
import { findContainer } from '../../src/lab/exec.ts';
import { labPaths } from '../../src/lab/paths.ts';
import { execCommand } from '../../src/lab/pods/exec-command.ts';
import { stopLab } from '../../src/lab/stop.ts';
import { untilSettled } from '../../src/lab/wait.ts';
import { parseManifests } from '../../src/manifests/parse.ts';
import type { Ran, RunOptions } from './run-process.ts';
import { millrace, runProcess, startProcess } from './run-process.ts';

/** An instance name of this test process's own: two runs of the tests on one machine do not meet. */
export function instanceName(name: string): string {
  return `e2e-${name}-${process.pid}`;
}

/** Ends the labs of test runs that were killed: those named for a process that is no more. */
export async function sweepLabs(): Promise<void> {
  if (!existsSync('/run/millrace')) return;
  for (const name of readdirSync('/run/millrace')) {
    const pid = /^e2e-.*-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await stopLab(name);
  }
}

/** A running lab as a test uses it: started by the command line, asked through the lab's own API. Disposing of it is `lab down`. */
export class TestLab implements AsyncDisposable {
  readonly instance: string;
  readonly client: LabClient;
  readonly agent: AgentClient;

  constructor(instance: string) {
    this.instance = instance;
    this.client = new LabClient(instance);
    this.agent = new AgentClient(instancePaths(instance).agentSocket);
  }

  /** `lab up`; throws with everything it printed when it fails. */
  static async up(name: string, ...options: readonly string[]): Promise<TestLab> {
    await sweepLabs();
    const lab = new TestLab(instanceName(name));
    const { status, stdout, stderr } = await lab.cli('up', ...options);
    if (status === 0) return lab;
    const log = readFileSync(instancePaths(lab.instance).labLog, 'utf8').slice(-3000);
    await stopLab(lab.instance);
    throw new Error(`lab up ended with ${status}\n${stdout}${stderr}${log}`);
  }

  /** `millrace lab VERB --instance INSTANCE …` */
  cli(verb: string, ...args: readonly string[]): Promise<Ran> {
    return millrace(['lab', verb, '--instance', this.instance, ...args]);
  }

  /** Runs a command in a pod's application container, or in the named one. */
  async exec(pod: string, argv: readonly string[], options: RunOptions & { readonly container?: string } = {}): Promise<Ran> {
    const [program = '', ...args] = await this.#command(pod, argv, options.container ?? null);
    return runProcess(program, args, options);
  }

  /** Starts a command in a pod's application container. The caller ends it. */
  async start(pod: string, argv: readonly string[]): Promise<ChildProcess> {
    const [program = '', ...args] = await this.#command(pod, argv, null);
    return startProcess(program, args);
  }

  /** What curl in a pod gets for a URL: `200`, or `curl 7` where it fails with 7. */
  async status(pod: string, url: string, ...more: readonly string[]): Promise<string> {
    const curl = ['curl', '-s', '-g', '-o', '/dev/null', '-m', '5', '-w', '%{http_code}', ...more, url];
    const { status, stdout } = await this.exec(pod, curl);
    return status === 0 ? stdout : `curl ${status}`;
  }

  async pod(reference: string): Promise<LabPod> {
    return (await this.#find(reference, null)).pod;
  }

  /** A pod's container; the application's unless named. */
  async container(pod: string, name: string | null = null): Promise<LabContainer> {
    return (await this.#find(pod, name)).container;
  }

  /** `http://CLUSTERIP:PORT` of a service in demo. */
  async serviceUrl(name: string): Promise<string> {
    const { services } = await this.client.status();
    const service = services.find((candidate) => candidate.namespace === 'demo' && candidate.name === name);
    return `http://${service?.clusterIP}:${service?.ports[0]?.port}`;
  }

  /** Applies manifests whose namespace is demo unless they say another, and waits until every pod is ready. */
  async apply(text: string): Promise<void> {
    await this.client.apply(parseManifests(text, 'test.yaml', { defaultNamespace: 'demo' }).manifests);
    await this.settled();
  }

  /** Deletes what the manifests name, and waits until it is gone. */
  async delete(text: string): Promise<void> {
    const { manifests } = parseManifests(text, 'test.yaml', { defaultNamespace: 'demo' });
    await this.client.delete(manifests.map(({ kind, metadata: { namespace, name } }) => ({ kind, namespace, name })));
    await this.settled();
  }

  async settled(): Promise<void> {
    const result = await untilSettled(this.client, {
      timeoutMs: 30_000,
      signal: new AbortController().signal,
      onStatus: () => undefined,
    });
    if (result.kind === 'not ready') throw new Error(result.reason);
  }

  /** Everything that a pod's sidecar wrote. */
  async proxyLog(pod: string): Promise<string> {
    return readFileSync((await this.container(pod, 'istio-proxy')).log, 'utf8');
  }

  /** The network namespace of the lab's node. */
  get nodeNetns(): string {
    const { nodeCgroup } = labPaths(this.instance, findCgroup2());
    const pid = readFileSync(join(nodeCgroup, 'cgroup.procs'), 'utf8').split('\n')[0];
    return `/proc/${pid}/ns/net`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { status, stderr } = await this.cli('down');
    if (status !== 0) throw new Error(`lab down ended with ${status}\n${stderr}`);
  }

  #find(pod: string, container: string | null) {
    return findContainer({ instance: this.instance, pod, container, namespace: null });
  }

  async #command(pod: string, argv: readonly string[], container: string | null): Promise<readonly string[]> {
    const { exec } = await this.container(pod, container);
    if (exec === null) throw new Error(`the container of ${pod} does not run`);
    return execCommand(exec, argv);
  }
}
