import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { envoyPath as installedEnvoy } from '../../src/base/project.ts';

/** The Envoy that tests run: MILLRACE_ENVOY, else the one that the set-up installed. Throws UserError where there is none. */
export function envoyPath(): string {
  return installedEnvoy(process.env);
}

/** A running Envoy. Whoever starts it closes it. */
export interface RunningEnvoy {
  /** The port that a listener with port 0 was given. Throws for a name that is not a listener's. */
  readonly port: (listener: string) => number;
  /** Everything that Envoy wrote to standard error. */
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

/**
 * Starts Envoy on loopback with static resources, in a process of its own, and waits until it serves.
 * Throws with Envoy's log if it refuses the configuration or is not ready within 20 s.
 */
export async function startEnvoy(staticResources: object): Promise<RunningEnvoy> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-envoy-'));
  const adminFile = join(directory, 'admin');
  const bootstrap = {
    node: { id: 'test', cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: staticResources,
  };
  writeFileSync(join(directory, 'envoy.json'), JSON.stringify(bootstrap));
  const args = [
    '-c',
    join(directory, 'envoy.json'),
    '--admin-address-path',
    adminFile,
    '--use-dynamic-base-id',
    '--concurrency',
    '1',
    '-l',
    'warning',
  ];
  const child = spawn(envoyPath(), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const close = async () => {
    await stop(child);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const ports = await ready(child, adminFile, () => log);
    return {
      port: (listener) => {
        const port = ports.get(listener);
        if (port === undefined) throw new Error(`no listener ${listener}`);
        return port;
      },
      log: () => log,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function ready(child: ChildProcess, adminFile: string, log: () => string): Promise<Map<string, number>> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`Envoy ended with ${child.exitCode ?? child.signalCode}:\n${log()}`);
    const ports = await listeners(adminFile);
    if (ports !== null) return ports;
    await sleep(50);
  }
  throw new Error(`Envoy is not ready after 20 s:\n${log()}`);
}

/** Null until the admin interface answers that the server is live. */
async function listeners(adminFile: string): Promise<Map<string, number> | null> {
  try {
    const admin = `http://${readFileSync(adminFile, 'utf8').trim()}`;
    if (!(await fetch(`${admin}/ready`)).ok) return null;
    const lines = (await (await fetch(`${admin}/listeners`)).text()).trim().split('\n');
    return new Map(lines.map((line) => [line.split('::')[0] ?? line, Number(line.slice(line.lastIndexOf(':') + 1))]));
  } catch {
    // The file is not written yet, or nothing listens at its address yet.
    return null;
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
