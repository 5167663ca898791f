import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../base/log.ts';
import { NamesFile, namesPath } from './names-file.ts';

let directory: string;
let path: string;
let now: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-names-'));
  path = namesPath(join(directory, 'policies.json'));
  now = 1_000_000;
});

afterEach(() => rmSync(directory, { recursive: true }));

const open = () => NamesFile.open(path, silentLogger, () => now);

describe('NamesFile', () => {
  it('save() writes what the next one reads, at once what came and within a minute what was prolonged', async () => {
    const file = await open();
    await file.save();
    expect(existsSync(path)).toBe(false);
    file.names.learn('api.example.com', ['203.0.113.1', '2001:db8::1'], 60);
    await file.save();
    const first = readFileSync(path, 'utf8');
    now += 30_000;
    file.names.learn('api.example.com', ['203.0.113.1'], 60);
    await file.save();
    expect(readFileSync(path, 'utf8')).toBe(first);
    now += 30_000;
    await file.save();
    expect(readFileSync(path, 'utf8')).not.toBe(first);
    expect([...(await open()).names.list()]).toEqual([...file.names.list()]);
  });

  it.each(['{', '{"learned":[{"name":"x","address":"x","untilMs":1}]}', '[]'])(
    'open() sets a damaged file aside and begins anew (%s)',
    async (text) => {
      writeFileSync(path, text);
      expect((await open()).names.count).toBe(0);
      expect(readFileSync(`${path}.damaged`, 'utf8')).toBe(text);
    },
  );
});
