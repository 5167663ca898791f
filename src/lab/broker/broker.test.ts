import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { startBroker } from './broker.ts';

const request = (kind: number) => Buffer.from(`0000000a${kind.toString(16).padStart(4, '0')}000000000007ffff`, 'hex');

async function ask(bytes: Buffer, pieces: number): Promise<string> {
  const broker = await startBroker('127.0.0.1', 0);
  try {
    return await new Promise((resolve, reject) => {
      const socket = connect(broker.port, '127.0.0.1', () => {
        for (let piece = 0; piece < pieces; piece += 1) {
          const size = Math.ceil(bytes.length / pieces);
          setTimeout(() => socket.write(bytes.subarray(piece * size, (piece + 1) * size)), piece * 20);
        }
      });
      socket.once('data', (data) => {
        resolve(data.toString('hex'));
        socket.destroy();
      });
      socket.once('error', reject);
      socket.once('close', () => resolve('closed'));
    });
  } finally {
    await broker.close();
  }
}

const answer = '0000001000000007000000000001001200000000';

test.each([
  ['answers the first request of a client, with its number', request(18), 1, answer],
  ['answers one that comes in pieces', request(18), 3, answer],
  ['ends the connection where it is asked something else', request(3), 1, 'closed'],
  ['ends the connection where no Kafka is spoken', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 1, 'closed'],
])('startBroker() %s', async (_what, bytes, pieces, expected) => {
  expect(await ask(bytes, pieces)).toBe(expected);
});
