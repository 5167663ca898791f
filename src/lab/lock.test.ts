import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockOwner, takeLock } from './lock.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-lock-'));
  path = join(folder, 'lab.pid');
});

afterEach(() => rmSync(folder, { recursive: true }));

test('takeLock() throws LAB_RUNNING when a living process has the lock', () => {
  takeLock(path, 'lab');
  expect(lockOwner(path)).toBe(process.pid);
  expect(() => takeLock(path, 'lab')).toThrow(
    expect.objectContaining({ code: 'LAB_RUNNING', command: 'millrace lab down --instance lab' }),
  );
});

test.each(['4194304 1', `${process.pid} 1`, '', 'nonsense'])('takeLock() takes over a lock that reads "%s"', (text) => {
  writeFileSync(path, text);
  expect(lockOwner(path)).toBeNull();
  takeLock(path, 'lab');
  expect(lockOwner(path)).toBe(process.pid);
});

test('lockOwner() names nobody when the lock is removed while it looks', async () => {
  const script = `
    const { rmSync, writeFileSync } = require('node:fs');
    const path = process.argv[1];
    process.stdout.write('ready');
    for (;;) {
      writeFileSync(path, '4194304 1');
      rmSync(path);
    }`;
  const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  try {
    await once(child.stdout, 'data');
    const owners = new Set<number | null>();
    const until = performance.now() + 500;
    while (performance.now() < until) owners.add(lockOwner(path));
    expect([...owners]).toEqual([null]);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
});
