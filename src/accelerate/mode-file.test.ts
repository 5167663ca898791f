import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readMode, writeMode } from './mode-file.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-mode-'));
  path = join(folder, 'run', 'acceleration.json');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('readMode() takes the option where nothing was said since', async () => {
  expect(await readMode(path, 'auto')).toEqual({ mode: 'auto', by: 'start' });
});

it('readMode() keeps what was said while an agent ran, for every agent that is started the same way', async () => {
  await writeMode(path, 'off', 'auto');
  expect(await readMode(path, 'auto')).toEqual({ mode: 'off', by: 'command' });
  expect(await readMode(path, 'auto')).toEqual({ mode: 'off', by: 'command' });
});

it('readMode() takes another option for the later word', async () => {
  await writeMode(path, 'off', 'auto');
  expect(await readMode(path, 'on')).toEqual({ mode: 'on', by: 'start' });
  expect(await readMode(path, 'auto')).toEqual({ mode: 'auto', by: 'start' });
});

it.each(['', '{', '{"mode":"fast","option":"auto"}'])('readMode() passes over a damaged file: %j', async (text) => {
  await writeMode(path, 'off', 'auto');
  writeFileSync(path, text);
  expect(await readMode(path, 'auto')).toEqual({ mode: 'auto', by: 'start' });
  expect(existsSync(path)).toBe(false);
});
