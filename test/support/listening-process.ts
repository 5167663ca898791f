import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestNetns } from './network.ts';
import type { Identity } from './tcp.ts';

const script = `
const [name, ...specs] = process.argv.slice(1);
const { createServer } = require('node:net');
let waiting = specs.length;
for (const spec of specs) {
  const at = spec.lastIndexOf(':');
  createServer((socket) => socket.on('error', () => {}).end(name)).listen(Number(spec.slice(at + 1)), spec.slice(0, at), () => {
    waiting -= 1;
    if (waiting === 0) process.stdout.write('listening');
  });
}`;

/** A process inside a namespace that listens on each `ADDRESS:PORT` and answers every connection with `name`; it ends with this. */
export async function startListening(
  netns: TestNetns,
  who: Identity,
  name: string,
  specs: readonly string[],
): Promise<AsyncDisposable & { readonly pid: number }> {
  const enter = [`--net=${netns.path}`, '--setuid', String(who.uid), '--setgid', String(who.gid)];
  const child = spawn('nsenter', [...enter, '--', 'setpriv', '--pdeathsig', 'KILL', process.execPath, '-e', script, name, ...specs], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(([code]) => {
      throw new Error(`the listening process ended with ${code}`);
    }),
  ]);
  return {
    pid: child.pid ?? -1,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
