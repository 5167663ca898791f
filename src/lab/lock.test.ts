import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { projectRoot } from '../base/project.ts';
import { LabLock, lockOwner } from './lock.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-lock-'));
  path = join(folder, 'lab.pid');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('LabLock.take() throws LAB_RUNNING when somebody has the lock', () => {
  using _lock = LabLock.take(path, 'lab');
  expect(lockOwner(path)).toBe(process.pid);
  expect(() => LabLock.take(path, 'lab')).toThrow(
    expect.objectContaining({ code: 'LAB_RUNNING', command: 'millrace lab down --instance lab' }),
  );
});

test.each(['4194304 1', `${process.pid} 1`, '', 'nonsense'])('LabLock.take() takes over a lock that reads "%s"', (text) => {
  writeFileSync(path, text);
  expect(lockOwner(path)).toBeNull();
  using _lock = LabLock.take(path, 'lab');
  expect(lockOwner(path)).toBe(process.pid);
});

test('LabLock.tryTake() makes the folder and takes the file that is there when its owner removed the one before', () => {
  using _first = LabLock.take(path, 'lab');
  rmSync(folder, { recursive: true });
  using second = LabLock.tryTake(path);
  expect(second).not.toBeNull();
  expect(LabLock.tryTake(path)).toBeNull();
});

test('LabLock.tryTake() is for one of many processes that find what a dead one has left', async () => {
  const [processes, rounds] = [4, 60];
  // where node_modules is found
  const place = mkdtempSync(join(projectRoot(), 'node_modules', '.lock-test-'));
  try {
    const program = join(place, 'program.mjs');
    await build({
      stdin: {
        contents: `
          import { LabLock } from './lock.ts';
          const [folder, start] = process.argv.slice(2);
          const won = [];
          for (let round = 0; round < ${rounds}; round += 1) {
            while (Date.now() < Number(start) + round * 10);
            // kept to the end of the process
            if (LabLock.tryTake(folder + '/' + round + '.pid') !== null) won.push(round);
          }
          process.stdout.write(JSON.stringify(won));
          process.stdin.resume();`,
        resolveDir: import.meta.dirname,
        loader: 'ts',
      },
      outfile: program,
      bundle: true,
      packages: 'external',
      format: 'esm',
      platform: 'node',
    });
    for (let round = 0; round < rounds; round += 1) writeFileSync(join(folder, `${round}.pid`), '4194304 1');
    const start = String(Date.now() + 1500);
    const children = Array.from({ length: processes }, () =>
      spawn(process.execPath, [program, folder, start], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    const won = await Promise.all(
      children.map(async ({ stdout }) => {
        const [text] = (await once(stdout, 'data')) as [Buffer];
        return JSON.parse(text.toString()) as number[];
      }),
    );
    for (const { stdin } of children) stdin.end();
    await Promise.all(children.map((child) => once(child, 'exit')));
    expect(won.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: rounds }, (_, round) => round));
  } finally {
    rmSync(place, { recursive: true });
  }
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
