import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestNetns } from './network.ts';
import type { Identity } from './tcp.ts';

const script = `
const { connect } = require('node:net');
const targets = process.argv.slice(1).map((text) => { const at = text.lastIndexOf(':'); return [text.slice(0, at), Number(text.slice(at + 1))]; });
const answers = {};
let stopping = false;
process.stdin.on('data', () => { stopping = true; });
const dial = ([host, port]) => new Promise((resolve) => {
  let text = '';
  const socket = connect(port, host);
  socket.on('data', (data) => { text += data; });
  socket.on('error', (error) => { text = error.code; });
  socket.setTimeout(3000, () => { text = 'TIMEOUT'; socket.destroy(); });
  socket.on('close', () => resolve(text));
});
const loop = async (target) => {
  while (!stopping) {
    const key = target.join(' ') + ' ' + (await dial(target));
    answers[key] = (answers[key] ?? 0) + 1;
  }
};
process.stdout.write('dialling\\n');
Promise.all(targets.map(loop)).then(() => { process.stdout.write(JSON.stringify(answers)); process.exit(); });
`;

/** Processes' own calls, while this one is busy with other effective ids or programs. */
export interface Dialling extends AsyncDisposable {
  /** Ends it: how often each target (`HOST PORT`) gave each answer, as `HOST PORT ANSWER`. */
  stop(): Promise<Readonly<Record<string, number>>>;
}

/** A process inside a namespace that connects to each `HOST:PORT` over and over, reads to the end, and counts the answers; silence for three seconds is TIMEOUT. */
export async function startDialling(netns: TestNetns, who: Identity, targets: readonly string[]): Promise<Dialling> {
  const enter = [`--net=${netns.path}`, '--setuid', String(who.uid), '--setgid', String(who.gid)];
  const child = spawn('nsenter', [...enter, '--', 'setpriv', '--pdeathsig', 'KILL', process.execPath, '-e', script, ...targets], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  const ended = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), ended]);
  return {
    stop: async () => {
      child.stdin.write('stop');
      await ended;
      return JSON.parse(output.slice(output.indexOf('\n') + 1)) as Record<string, number>;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await ended;
    },
  };
}
