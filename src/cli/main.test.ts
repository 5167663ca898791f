import type { ChildProcessByStdio } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launcherPath, projectRoot, version } from '../base/project.ts';

// A program of our frame around commands that only a test needs: one waits for its signal and cleans up, one writes without end, and the like.
const program = `
import { setTimeout as sleep } from 'node:timers/promises';
import { defineCommand } from './command.ts';
import { main } from './main.ts';
import { entry } from './registry.ts';

const wait = defineCommand({ arguments: {}, options: {}, run: async ({ signal, stdout }) => {
  stdout.write('waiting\\n');
  await sleep(60_000, undefined, { signal }).catch(() => {});
  await sleep(50);
  stdout.write('cleaned up\\n');
} });
const stubborn = defineCommand({ arguments: {}, options: {}, run: async ({ stdout }) => {
  stdout.write('waiting\\n');
  await sleep(60_000);
} });
const flood = defineCommand({ arguments: {}, options: {}, run: async ({ signal, stdout }) => {
  while (!signal.aborted) { stdout.write('line\\n'.repeat(1000)); await sleep(1); }
} });
const long = defineCommand({ arguments: {}, options: {}, run: async ({ stdout }) => {
  stdout.write('x'.repeat(1_000_000));
} });
const escape = defineCommand({ arguments: {}, options: {}, run: async () => {
  setTimeout(() => { throw new Error('from a timer'); }, 1);
  await sleep(60_000);
} });
await main(async () => [
  entry('wait', 'wait', async () => wait),
  entry('stubborn', 'wait on', async () => stubborn),
  entry('flood', 'write', async () => flood),
  entry('long', 'write much at once', async () => long),
  entry('escape', 'throw', async () => escape),
]);
`;

let folder = '';
let script = '';

beforeAll(async () => {
  folder = mkdtempSync(join(projectRoot(), 'node_modules', '.main-test-'));
  script = join(folder, 'program.mjs');
  const resolveDir = join(projectRoot(), 'src/cli');
  await build({
    stdin: { contents: program, resolveDir, loader: 'ts' },
    outfile: script,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'silent',
  });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Child = ChildProcessByStdio<null, Readable, Readable>;

async function ended(child: Child): Promise<{ code: number | null; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => {
    stdout += bytes.toString();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

function start(command: string): Child {
  return spawn(process.execPath, [script, command], { stdio: ['ignore', 'pipe', 'pipe'] });
}

describe('main()', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('lets the command clean up and ends with its code when %s arrives', async (signal, code) => {
    const child = start('wait');
    const result = ended(child);
    await once(child.stdout, 'data');
    child.kill(signal);
    expect(await result).toEqual({ code, stdout: 'waiting\ncleaned up\n', stderr: '' });
  });

  it('ends at once when a second signal arrives', async () => {
    const child = start('stubborn');
    const result = ended(child);
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    const timer = setInterval(() => child.kill('SIGINT'), 50);
    expect((await result).code).toBe(130);
    clearInterval(timer);
  });

  it('stops quietly when nobody reads its output any more', async () => {
    const child = start('flood');
    const result = ended(child);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    expect(await result).toMatchObject({ code: 0, stderr: '' });
  });

  it('writes everything before it ends when the reader of the pipe is slow', async () => {
    const child = start('long');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { code, stdout } = await ended(child);
    expect({ code, length: stdout.length }).toEqual({ code: 0, length: 1_000_000 });
  });

  it('prints an exception that escapes from a timer as a bug and ends with 1', async () => {
    expect(await ended(start('escape'))).toMatchObject({ code: 1, stderr: expect.stringMatching(/from a timer[\s\S]*This is a bug/) });
  });
});

describe('bin/millrace', () => {
  it('runs from any folder and through a symbolic link', () => {
    const place = mkdtempSync(join(tmpdir(), 'launcher-'));
    try {
      const link = join(place, 'mr');
      symlinkSync(launcherPath(), link);
      const { status, stdout, stderr } = spawnSync(link, ['--version'], { cwd: place, encoding: 'utf8' });
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
    } finally {
      rmSync(place, { recursive: true });
    }
  });
});
