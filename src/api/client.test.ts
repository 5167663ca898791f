import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LabClient } from '../lab/client.ts';
import { callUnixSocket } from './client.ts';
import { instancePaths } from './paths.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-client-'));
  path = join(folder, 'agent.sock');
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Serves one answer at the path while `work` runs. */
async function served(status: number, body: unknown, work: () => Promise<void>): Promise<void> {
  const server = createServer((_request, response) => response.writeHead(status).end(JSON.stringify(body)));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await work();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

/** As user 1000, who may pass the folder and not open the socket. */
async function asUser(work: () => Promise<void>): Promise<void> {
  process.seteuid?.(1000);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}

const ask = () => callUnixSocket(path, 'GET', '/v1/status', undefined);

test('callUnixSocket() names the command that starts an agent when nobody answers', async () => {
  await expect(ask()).rejects.toMatchObject({
    code: 'AGENT_UNREACHABLE',
    exitCode: 1,
    command: expect.stringMatching(/^millrace agent --instance millrace-client-/),
  });
  await expect(callUnixSocket('/nonexistent/default/agent.sock', 'GET', '/', undefined)).rejects.toMatchObject({
    command: 'millrace agent',
  });
});

test('callUnixSocket() asks for root, and says nothing of who runs, when the socket is not ours', async () => {
  chmodSync(folder, 0o711);
  await served(200, {}, async () => {
    chmodSync(path, 0o600);
    await asUser(async () => {
      await expect(ask()).rejects.toMatchObject({
        code: 'MACHINE_NOT_ROOT',
        exitCode: 3,
        message: `Cannot reach ${path} because it is root's alone: current uid 1000`,
        command: expect.stringMatching(/^sudo /),
      });
    });
  });
});

test('LabClient does not say that no lab runs when only root can tell', async () => {
  const instance = `test-client-${process.pid}`;
  const { run: runtime } = instancePaths(instance);
  mkdirSync(runtime, { recursive: true });
  chmodSync(runtime, 0o700);
  try {
    await asUser(async () => {
      await expect(new LabClient(instance).status()).rejects.toMatchObject({ code: 'MACHINE_NOT_ROOT', exitCode: 3 });
    });
  } finally {
    rmSync(runtime, { recursive: true });
  }
});

test.each([
  ['millrace pod list', /^millrace pod list --instance millrace-client-/],
  ['lsns -t net', /^lsns -t net$/],
  ['df -h /run', /^df -h \/run$/],
])('callUnixSocket() gives the command "%s" the instance when it is one of ours', async (command, expected) => {
  await served(400, { code: 'NETNS_INVALID', message: 'm', cure: 'c', command }, async () => {
    await expect(ask()).rejects.toMatchObject({ command: expect.stringMatching(expected) });
  });
});
