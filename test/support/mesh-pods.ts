import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ProxyStatus } from '../../src/mesh/envoy/admin.ts';
import { adminPaths, proxyStatus } from '../../src/mesh/envoy/admin.ts';
import { envoyArguments } from '../../src/mesh/envoy/bootstrap.ts';
import type { ProxyFiles } from '../../src/mesh/envoy/files.ts';
import type { Bootstrap } from '../../src/mesh/envoy/types.ts';
import { ProxyFilesWriter } from '../../src/mesh/envoy/writer.ts';
import { envoyPath } from './envoy.ts';

/** The proxy's user and group, as in Istio. */
export const proxyUser = 1337;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A network namespace with a real Envoy in it. Its processes die with it, and with the test process. */
export class MeshPod {
  readonly directory = mkdtempSync(join(tmpdir(), 'millrace-pod-'));
  readonly #children: ChildProcess[] = [];
  readonly #writer: ProxyFilesWriter;
  readonly #holder: ChildProcess;
  #files: ProxyFiles = {};
  #output = '';

  constructor() {
    chownSync(this.directory, proxyUser, proxyUser);
    this.#writer = new ProxyFilesWriter(this.configDirectory, { uid: proxyUser, gid: proxyUser });
    this.#holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '-n', 'sleep', 'infinity'], { stdio: 'ignore' });
  }

  get configDirectory(): string {
    return join(this.directory, 'config');
  }

  get pid(): number {
    if (this.#holder.pid === undefined) throw new Error('the namespace holder did not start');
    return this.#holder.pid;
  }

  /** Runs a command to its end, as root or as the user given. */
  run(command: readonly string[], options: { readonly user?: number; readonly timeoutMs?: number } = {}): Promise<CommandResult> {
    const [file = '', ...args] = this.#inside(command, options.user ?? 0);
    return new Promise((resolve) => {
      execFile(file, args, { timeout: options.timeoutMs ?? 10_000 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr });
      });
    });
  }

  /** Runs a command that must succeed. */
  async must(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(['sh', '-c', command]);
    if (code !== 0) throw new Error(`${command}: ${stderr}`);
    return stdout;
  }

  /** Starts a process that lives as long as the pod. */
  start(command: readonly string[], user = 0): ChildProcess & { stdout: NodeJS.ReadableStream; stdin: NodeJS.WritableStream } {
    const [file = '', ...args] = this.#inside(command, user);
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#children.push(child);
    return child;
  }

  /** Starts echo-application.mjs and waits until it listens. */
  async application(address: string, ...specs: readonly string[]): Promise<void> {
    const child = this.start([process.execPath, fileURLToPath(new URL('echo-application.mjs', import.meta.url)), address, ...specs]);
    await once(child.stdout, 'data');
  }

  /** Writes files and waits until the proxy, if it runs, has taken all of them. Returns what changed. */
  async configure(files: ProxyFiles): Promise<readonly string[]> {
    const changed = await this.#writer.write(files);
    this.#files = files;
    if (this.#output !== '' || this.#children.some((child) => child.spawnargs.includes(envoyPath()))) await this.untilReady();
    return changed;
  }

  async startProxy(bootstrap: Bootstrap, user = proxyUser): Promise<void> {
    const path = join(this.directory, 'envoy.json');
    writeFileSync(path, JSON.stringify(bootstrap), { mode: 0o644 });
    const child = this.start([envoyPath(), ...envoyArguments({ bootstrapPath: path, concurrency: 1 })], user);
    const append = (data: Buffer) => {
      this.#output += data.toString();
    };
    child.stdout.on('data', append);
    child.stderr?.on('data', append);
    await this.untilReady();
  }

  async status(): Promise<ProxyStatus> {
    const get = (path: string) => this.run(['curl', '-s', '-g', '-w', '\n%{http_code}', `http://127.0.0.1:15000${path}`]);
    const [ready, statistics] = await Promise.all([get(adminPaths.ready), get(adminPaths.statistics)]);
    const [body = '', status = '0'] = ready.stdout.split('\n').slice(-2);
    return proxyStatus(
      { ready: ready.code === 0 ? { status: Number(status), body } : null, statistics: statistics.code === 0 ? statistics.stdout : null },
      this.#files,
    );
  }

  /** Standard output and error of the proxy. The access log is written every second at the latest. */
  async logLine(pattern: RegExp): Promise<string> {
    for (let attempt = 0; attempt < 60; attempt++) {
      const line = this.#output.split('\n').find((candidate) => pattern.test(candidate));
      if (line !== undefined) return line;
      await sleep(50);
    }
    throw new Error(`no line of the proxy matches ${pattern}:\n${this.#output}`);
  }

  get output(): string {
    return this.#output;
  }

  async close(): Promise<void> {
    for (const child of [...this.#children, this.#holder]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  async untilReady(): Promise<void> {
    let status: ProxyStatus = { kind: 'waiting', reason: '' };
    let refused = 0;
    for (let attempt = 0; attempt < 100; attempt++) {
      status = await this.status();
      if (status.kind === 'ready') return;
      // A refusal may be that of the version before; one that stays is real.
      refused = status.kind === 'rejected' ? refused + 1 : 0;
      if (refused > 20) break;
      await sleep(50);
    }
    throw new Error(`the proxy is not ready: ${JSON.stringify(status)}\n${this.#output.slice(0, 20_000)}`);
  }

  #inside(command: readonly string[], user: number): readonly string[] {
    const identity = user === 0 ? [] : ['--reuid', String(user), '--regid', String(user), '--clear-groups'];
    return ['nsenter', '-t', String(this.pid), '-n', 'setpriv', ...identity, '--pdeathsig', 'KILL', ...command];
  }
}

/**
 * Two pods joined by a virtual cable, with the addresses given and every other address reached through the other pod.
 * Waits until the namespaces are there.
 */
export async function connectedPods(first: readonly string[], second: readonly string[]): Promise<readonly [MeshPod, MeshPod]> {
  const pods = [new MeshPod(), new MeshPod()] as const;
  try {
    await connect(pods, [first, second]);
    return pods;
  } catch (error) {
    for (const pod of pods) await pod.close();
    throw error;
  }
}

async function connect(pods: readonly [MeshPod, MeshPod], addresses: readonly [readonly string[], readonly string[]]): Promise<void> {
  const run = promisify(execFile);
  for (const pod of pods) {
    mkdirSync(pod.configDirectory, { recursive: true });
    // unshare has to come first: until then the process is in our own namespace.
    const ours = (await run('readlink', ['/proc/self/ns/net'])).stdout;
    while ((await run('readlink', [`/proc/${pod.pid}/ns/net`])).stdout === ours) await sleep(10);
  }
  const [a, b] = pods;
  await a.must(`ip link add eth0 type veth peer name eth0 netns ${b.pid}`);
  for (const [pod, own] of [
    [a, addresses[0]],
    [b, addresses[1]],
  ] as const) {
    await pod.must('ip link set lo up && ip address add ::6/128 dev lo && ip link set eth0 up');
    for (const address of own) {
      await pod.must(address.includes(':') ? `ip address add ${address}/64 dev eth0 nodad` : `ip address add ${address}/24 dev eth0`);
    }
    await pod.must('ip route add default dev eth0 && ip -6 route add default dev eth0');
  }
}
