import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLogger } from './log.ts';
import { LogSink } from './log-sink.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-log-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

test('createLogger() writes lines with level and time in words', () => {
  const path = join(folder, 'log');
  const fd = openSync(path, 'a');
  createLogger({ name: 'agent', fd }).with({ pod: 'demo/web' }).warn({ reason: 'a test' }, 'drift repaired');
  closeSync(fd);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
    level: 'warn',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    pid: process.pid,
    name: 'agent',
    pod: 'demo/web',
    reason: 'a test',
    msg: 'drift repaired',
  });
});

test('createLogger() does not end the process when the disk of the log is full', async () => {
  // a process of its own: what a stream throws out of turn cannot be caught here
  const script = `
    import { createLogger } from ${JSON.stringify(new URL('./log.ts', import.meta.url).pathname)};
    import { openSync } from 'node:fs';
    const log = createLogger({ fd: openSync('/dev/full', 'w') });
    for (let count = 0; count < 100; count += 1) log.info({ count }, 'a line');
    setTimeout(() => process.stdout.write('alive'), 50);`;
  const file = join(folder, 'program.mjs');
  await build({
    stdin: { contents: script, resolveDir: folder, loader: 'ts' },
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'node',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  const run = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  run.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const code = await new Promise((resolve) => run.once('exit', resolve));
  expect({ code, said }).toEqual({ code: 0, said: 'alive' });
});

test('LogSink counts what it could not write and tells it before the next line', () => {
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  // a pipe that nobody reads takes 64 KiB, some of the last line too, and then says EAGAIN
  const reader = openSync(path, 0o4000);
  const writer = openSync(path, 0o4001);
  try {
    const sink = new LogSink(writer, (lost, code) => `lost ${lost} ${code}\n`);
    const line = `${'x'.repeat(39_999)}\n`;
    sink.write(line);
    sink.write(line);
    const bytes = Buffer.alloc(65536);
    // the whole first line, and as much of the second as there was room for
    expect(readSync(reader, bytes, 0, bytes.length, null)).toBeGreaterThan(line.length);
    sink.write('after\n');
    const size = readSync(reader, bytes, 0, bytes.length, null);
    expect(bytes.toString('utf8', 0, size)).toBe('\nlost 1 EAGAIN\nafter\n');
  } finally {
    closeSync(reader);
    closeSync(writer);
  }
});
