import type { AddressInfo, Server } from 'node:net';

/** A protocol, both sides of it. */
export interface Protocol {
  /** Listens on a free port of an address and serves until the process ends. Returns the port. */
  serve(address: string): Promise<number>;
  /** Talks to a server for a while and says what it has seen: the same for the same seed. @throws Error for a wrong answer */
  speak(address: string, port: number, random: Random): Promise<readonly string[]>;
}

/** Numbers and bytes that follow from a seed. */
export interface Random {
  /** A whole number between the two, both included. */
  between(low: number, high: number): number;
  bytes(length: number): Buffer;
}

/** mulberry32: small, and good enough for sizes and contents. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    between: (low, high) => low + (next() % (high - low + 1)),
    bytes: (length) => {
      const words = new Uint32Array(Math.ceil(length / 4));
      for (let index = 0; index < words.length; index += 1) words[index] = next();
      return Buffer.from(words.buffer, 0, length);
    },
  };
}

/** Listens and returns the port that the kernel chose. */
export function listenOn(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, 1024, () => {
      const bound: AddressInfo | string | null = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : 0);
    });
  });
}
