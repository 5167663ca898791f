import { connect, createServer } from 'node:net';
import type { Protocol } from './types.ts';
import { listenOn } from './types.ts';

const commands = 3000;

/** Redis' protocol (RESP2) in pipelines, against a small server of our own: SET, GET and INCR. */
export const resp: Protocol = {
  serve: (address) => {
    const server = createServer((socket) => {
      const store = new Map<string, Buffer>();
      const reader = new Reader();
      socket.on('data', (part: Buffer) => {
        const answers: Buffer[] = [];
        for (const command of reader.commands(part)) answers.push(answerTo(store, command));
        if (answers.length > 0) socket.write(Buffer.concat(answers));
      });
      socket.on('error', () => socket.destroy());
    });
    return listenOn(server, address);
  },
  speak: async (address, port, random) => {
    const socket = connect({ host: address, port });
    const store = new Map<string, Buffer>();
    const expected: Buffer[] = [];
    for (let index = 0; index < commands; index += 1) {
      const name = `key-${random.between(0, 50)}`;
      const choice = random.between(0, 2);
      const command =
        choice === 0
          ? [Buffer.from('SET'), Buffer.from(name), random.bytes(random.between(0, 2000))]
          : [Buffer.from(choice === 1 ? 'GET' : 'INCR'), Buffer.from(choice === 1 ? name : `count-${name}`)];
      expected.push(answerTo(store, command));
      socket.write(encode(command));
    }
    socket.end();
    const parts: Buffer[] = [];
    for await (const part of socket) parts.push(part as Buffer);
    const [want, got] = [Buffer.concat(expected), Buffer.concat(parts)];
    if (!want.equals(got)) throw new Error(`the answers are ${got.length} bytes of ${want.length}, or other ones`);
    return [`${commands} answers in order, ${want.length} bytes`];
  },
};

function encode(words: readonly Buffer[]): Buffer {
  const parts = words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n')]);
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}

function answerTo(store: Map<string, Buffer>, [verb, key, value]: readonly Buffer[]): Buffer {
  const name = key?.toString('latin1') ?? '';
  if (verb?.toString('latin1') === 'SET') {
    store.set(name, value ?? Buffer.alloc(0));
    return Buffer.from('+OK\r\n');
  }
  const found = store.get(name);
  if (verb?.toString('latin1') === 'INCR') {
    const next = Number(found?.toString('latin1') ?? 0) + 1;
    store.set(name, Buffer.from(String(next)));
    return Buffer.from(`:${next}\r\n`);
  }
  return found === undefined ? Buffer.from('$-1\r\n') : Buffer.concat([Buffer.from(`$${found.length}\r\n`), found, Buffer.from('\r\n')]);
}

/** Cuts a stream into commands. */
class Reader {
  #pending = Buffer.alloc(0);

  *commands(part: Buffer): Generator<readonly Buffer[]> {
    this.#pending = Buffer.concat([this.#pending, part]);
    for (let parsed = this.#parse(); parsed !== null; parsed = this.#parse()) yield parsed;
  }

  #parse(): readonly Buffer[] | null {
    const words: Buffer[] = [];
    const first = this.#number(0);
    if (first === null) return null;
    let at = first.end;
    for (let index = 0; index < first.value; index += 1) {
      const length = this.#number(at);
      if (length === null || this.#pending.length < length.end + length.value + 2) return null;
      words.push(Buffer.from(this.#pending.subarray(length.end, length.end + length.value)));
      at = length.end + length.value + 2;
    }
    this.#pending = this.#pending.subarray(at);
    return words;
  }

  /** The number of a line such as `*3` or `$5`. */
  #number(at: number): { readonly value: number; readonly end: number } | null {
    const end = this.#pending.indexOf('\r\n', at);
    return end < 0 ? null : { value: Number(this.#pending.toString('latin1', at + 1, end)), end: end + 2 };
  }
}
