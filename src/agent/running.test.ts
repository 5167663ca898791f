import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assertNotRunning } from './running.ts';

let folder: string;
let socket: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-running-'));
  socket = join(folder, 'agent.sock');
});

afterEach(() => rmSync(folder, { recursive: true }));

const start = () => assertNotRunning({ instance: 'x', socket }, 'start the agent');

test('assertNotRunning() is content when there is no socket, or a process that ended has left it', async () => {
  await start();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  await new Promise((resolve) => server.close(resolve));
  await start();
});

test('assertNotRunning() throws AGENT_RUNNING when an agent hangs, which may go on', async () => {
  const stopped = createServer();
  await new Promise<void>((resolve) => stopped.listen(socket, resolve));
  try {
    await expect(start()).rejects.toMatchObject({
      code: 'AGENT_RUNNING',
      message: `Cannot start the agent because an agent of instance x has ${socket} open and does not answer`,
      command: `ss -xlp src ${socket}`,
    });
  } finally {
    stopped.close();
  }
}, 20_000);
