import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { AgentClient } from '../../src/api/client.ts';
import { instancePaths } from '../../src/api/paths.ts';
import type { AgentStatus } from '../../src/api/types.ts';
import { launcherPath } from '../../src/base/project.ts';
import { findCgroup2, killCgroup, mountBpffs, removeCgroup, unmount } from '../../src/kernel/index.ts';

/** How a run of `millrace` ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An agent in the foreground, as an operator starts it. */
export interface AgentProcess extends AsyncDisposable {
  readonly pid: number;
  readonly client: AgentClient;
  /** Waits until it answers. Fails with its output when it ended instead. */
  ready(): Promise<AgentStatus>;
  stop(signal: NodeJS.Signals): Promise<Ended>;
  /** For one that ends by itself. */
  readonly ended: Promise<Ended>;
}

/** The paths of one instance of a test's own; all are removed with it. */
export interface AgentInstance extends AsyncDisposable {
  readonly name: string;
  readonly cgroup: string;
  readonly pins: string;
  /** `millrace agent` with this instance's paths and `args`. */
  start(args?: readonly string[]): AgentProcess;
  /** The same for a command that ends by itself. */
  run(args: readonly string[]): Promise<Ended>;
}

export function createAgentInstance(): AgentInstance {
  const name = `test-${process.pid}`;
  const root = join(findCgroup2(), `millrace-${name}`);
  const cgroup = join(root, 'pods');
  const bpffs = mkdtempSync(join(tmpdir(), 'millrace-bpf-'));
  mountBpffs(bpffs);
  const pins = join(bpffs, name);
  const paths = instancePaths(name);
  const running = new Set<AgentProcess>();
  const options = ['--instance', name, '--cgroup', cgroup, '--pins', pins];

  const start = (args: readonly string[] = []): AgentProcess => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, launcherPath(), 'agent', ...options, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].on('data', (data: Buffer) => {
        output[stream] += data.toString();
      });
    }
    const ended = once(child, 'close').then(([code, signal]: unknown[]) => ({
      code: code as number | null,
      signal: signal as string | null,
      ...output,
    }));
    const client = new AgentClient(paths.agentSocket);
    const agent: AgentProcess = {
      pid: child.pid ?? -1,
      client,
      ended,
      ready: async () => {
        for (let attempt = 0; attempt < 400; attempt += 1) {
          const status = await client.status().catch(() => null);
          if (status !== null) return status;
          const over = await Promise.race([ended, new Promise<null>((resolve) => setTimeout(() => resolve(null), 25))]);
          if (over !== null) throw new Error(`the agent ended with ${over.code}: ${over.stderr}`);
        }
        throw new Error(`the agent does not answer: ${output.stderr}`);
      },
      stop: (signal) => {
        child.kill(signal);
        running.delete(agent);
        return ended;
      },
      [Symbol.asyncDispose]: async () => void (await agent.stop('SIGKILL')),
    };
    running.add(agent);
    return agent;
  };

  return {
    name,
    cgroup,
    pins,
    start,
    run: async (args) => {
      const child = spawn(process.execPath, [launcherPath(), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      const output = { stdout: '', stderr: '' };
      child.stdout.on('data', (data: Buffer) => {
        output.stdout += data.toString();
      });
      child.stderr.on('data', (data: Buffer) => {
        output.stderr += data.toString();
      });
      const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
      return { code, signal, ...output };
    },
    [Symbol.asyncDispose]: async () => {
      for (const agent of [...running]) await agent.stop('SIGKILL');
      unmount(bpffs);
      rmdirSync(bpffs);
      rmSync(paths.run, { recursive: true, force: true });
      if (existsSync(dirname(cgroup))) {
        await killCgroup(root);
        removeCgroup(root);
      }
    },
  };
}
