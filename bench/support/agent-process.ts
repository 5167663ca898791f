import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { AgentClient } from '../../src/api/client.ts';
import { instancePaths } from '../../src/api/paths.ts';
import { launcherPath } from '../../src/base/project.ts';
import { stop } from './placed-process.ts';

const run = promisify(execFile);

/** A real agent, as a process of its own. */
export interface AgentProcess extends AsyncDisposable {
  readonly pid: number;
  readonly client: AgentClient;
  /** Enrols a network namespace as a pod. */
  addPod(name: string, netns: string): Promise<void>;
}

/** Starts an agent for a cgroup and waits until it answers. At the end it is killed and what it put into the kernel is taken out. `more` are options of its own. */
export async function startAgent(cgroup: string, pins: string, more: readonly string[] = []): Promise<AgentProcess> {
  const instance = `bench-${process.pid}`;
  const settings = ['--instance', instance, '--cgroup', cgroup, '--pins', join(pins, 'agent')];
  const millrace = (args: readonly string[]) => run(process.execPath, [launcherPath(), ...args], { timeout: 30_000 });
  const child = spawn(process.execPath, [launcherPath(), 'agent', '--log-level', 'warn', ...settings, ...more], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error('the agent did not start');
  const end = async () => {
    await stop(child);
    await millrace(['agent', '--remove', ...settings]);
  };
  try {
    await untilAnswering(child, () => millrace(['pod', 'list', '--instance', instance]));
  } catch (error) {
    await end();
    throw error;
  }
  return {
    pid,
    client: new AgentClient(instancePaths(instance).agentSocket),
    addPod: async (name, netns) => {
      await millrace(['pod', 'add', name, '--netns', netns, '--instance', instance]);
    },
    [Symbol.asyncDispose]: end,
  };
}

async function untilAnswering(child: ChildProcess, ask: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}`);
    try {
      await ask();
      return;
    } catch {
      // Its socket is not there yet.
      await sleep(100);
    }
  }
  throw new Error('the agent did not answer within its time');
}
