import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { MillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { OutsideAddress } from '../plan/outside.ts';
import { shellWords } from '../pods/shell.ts';
import type { Holder } from './holder.ts';
import { toolEnvironment } from './tools.ts';

export interface OutsideOptions {
  readonly node: Pick<Holder, 'netns'>;
  /** Of the node: it ends with it, also when this process is killed. */
  readonly cgroup: string;
  /** Where the built programs are. */
  readonly dist: string;
  readonly log: Logger;
}

/** Servers outside of the cluster: addresses on the node that no node or pod has, each with a broker in a process of its own. Owns the processes. */
export class OutsideServers {
  readonly #options: OutsideOptions;
  readonly #running = new Map<string, ChildProcess>();

  constructor(options: OutsideOptions) {
    this.#options = options;
  }

  /** Starts what is wanted and does not run, and ends what is no longer wanted. Throws MillraceError LAB_COMMAND_FAILED. */
  async bring(wanted: readonly OutsideAddress[]): Promise<void> {
    const keys = new Set(wanted.map(keyOf));
    for (const [key, child] of this.#running) {
      if (keys.has(key)) continue;
      this.#running.delete(key);
      await end(child);
    }
    for (const one of wanted) if (!this.#running.has(keyOf(one))) await this.#start(one);
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    await this.bring([]);
  }

  async #start(one: OutsideAddress): Promise<void> {
    const { node, cgroup, dist, log } = this.#options;
    const enter = ['nsenter', `--net=${node.netns}`, '--'];
    const script = [
      'set -eu',
      `echo $$ > ${shellWords([`${cgroup}/cgroup.procs`])}`,
      shellWords([...enter, 'ip', 'addr', 'replace', `${one.address}/32`, 'dev', 'lo']),
      `exec ${shellWords([...enter, 'setpriv', '--pdeathsig', 'KILL', '--no-new-privs', '--bounding-set=-all', '--', process.execPath, join(dist, 'broker.mjs'), one.address, String(one.port)])}`,
    ].join('\n');
    const child = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'], env: toolEnvironment, cwd: '/' });
    const key = keyOf(one);
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.once('exit', () => this.#running.delete(key));
    const said = await Promise.race([once(child.stdout, 'data').then(() => 'ready'), once(child, 'close').then(() => 'ended')]);
    if (said !== 'ready') {
      throw new MillraceError(
        'LAB_COMMAND_FAILED',
        `Cannot have ${key} outside because its process ended: ${errors.trim() || 'without a word'}`,
      );
    }
    this.#running.set(key, child);
    log.info({ address: one.address, port: one.port, pid: child.pid ?? 0 }, 'a broker listens outside');
  }
}

function keyOf({ address, port }: OutsideAddress): string {
  return `${address}:${port}`;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
