import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestNetns } from './network.ts';
import type { Identity } from './tcp.ts';

const script = `
const { connect } = require('node:net');
const targets = process.argv.slice(1).map((text) => { const at = text.lastIndexOf(':'); return [text.slice(0, at), Number(text.slice(at + 1))]; });
const answers = {};
let stopping = false;
const show = () => process.stdout.write(JSON.stringify(answers) + '\\n');
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'stop') stopping = true;
  else show();
});
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
Promise.all(targets.map(loop)).then(() => { show(); process.exit(); });
`;

/** How often each target (`HOST PORT`) gave each answer, as `HOST PORT ANSWER`. */
export type Answers = Readonly<Record<string, number>>;

/** Processes' own calls, while this one is busy with other effective ids or programs. */
export interface Dialling extends AsyncDisposable {
  /** What was answered until now. */
  answers(): Promise<Answers>;
  /** Waits until every target has answered `count` times more. The first of them may have been on its way already, the others were not. */
  more(count: number): Promise<void>;
  /** Ends it, and says what was answered from the start. */
  stop(): Promise<Answers>;
}

/** A process inside a namespace that connects to each `HOST:PORT` over and over, reads to the end, and counts the answers; silence for three seconds is TIMEOUT. */
export async function startDialling(netns: TestNetns, who: Identity, targets: readonly string[]): Promise<Dialling> {
  const enter = [`--net=${netns.path}`, '--setuid', String(who.uid), '--setgid', String(who.gid)];
  const child = spawn('nsenter', [...enter, '--', 'setpriv', '--pdeathsig', 'KILL', process.execPath, '-e', script, ...targets], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting: { readonly resolve: (line: string) => void; readonly reject: (reason: Error) => void }[] = [];
  const nextLine = () => new Promise<string>((resolve, reject) => void waiting.push({ resolve, reject }));
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.resolve(line));
  // a process that is gone cannot be asked: its end says so
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close').then(() => {
    for (const { reject } of waiting.splice(0)) reject(new Error('the dialling process has ended'));
  });
  const ask = async (word: string): Promise<Answers> => {
    const line = nextLine();
    child.stdin.write(`${word}\n`);
    return JSON.parse(await line) as Answers;
  };
  await nextLine();
  return {
    answers: () => ask('answers'),
    more: async (count) => {
      const before = countByTarget(targets, await ask('answers'));
      for (;;) {
        const now = countByTarget(targets, await ask('answers'));
        if (now.every((answered, index) => answered >= (before[index] ?? 0) + count)) return;
        await sleep(10);
      }
    },
    stop: () => ask('stop'),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await ended;
    },
  };
}

function countByTarget(targets: readonly string[], answers: Answers): readonly number[] {
  const prefixes = targets.map((target) => `${target.replace(/:(\d+)$/, ' $1')} `);
  return prefixes.map((prefix) =>
    Object.entries(answers).reduce((sum, [answer, count]) => sum + (answer.startsWith(prefix) ? count : 0), 0),
  );
}
