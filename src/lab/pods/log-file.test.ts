import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readLog } from '../logs.ts';
import { lastLines, rotateLog } from './log-file.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-log-'));
  path = join(folder, 'c.log');
});

afterEach(() => rmSync(folder, { recursive: true }));

async function read(tail: number | null): Promise<string> {
  let text = '';
  for await (const piece of readLog(path, { tail, follow: false, signal: new AbortController().signal })) text += piece;
  return text;
}

test('rotateLog() keeps the old text beside an emptied log when the limit is reached', async () => {
  expect(await rotateLog(path, 100)).toBe(false);
  writeFileSync(path, 'x'.repeat(100));
  expect(await rotateLog(path, 101)).toBe(false);
  expect(await rotateLog(path, 100)).toBe(true);
  expect(statSync(path).size).toBe(0);
  expect(readFileSync(`${path}.1`, 'utf8')).toHaveLength(100);
});

test('rotateLog() keeps only the end of a log that grew far past the limit', async () => {
  writeFileSync(path, `${'x'.repeat(5_000_000)}the end`);
  writeFileSync(`${path}.1`, 'y'.repeat(6_000_000));
  expect(await rotateLog(path, 3_000_000)).toBe(true);
  const kept = readFileSync(`${path}.1`, 'utf8');
  expect(kept).toHaveLength(3_000_000);
  expect(kept.endsWith('xthe end')).toBe(true);
});

test('lastLines() gives the last ones, and none when there is no file', () => {
  expect(lastLines(path, 2)).toEqual([]);
  writeFileSync(path, 'a\nb\nc\n');
  expect(lastLines(path, 2)).toEqual(['b', 'c']);
});

test.each([
  [null, 'a\nb\nc\n'],
  [2, 'b\nc\n'],
  [9, 'a\nb\nc\n'],
  [0, ''],
])('readLog() with a tail of %s gives %j', async (tail, expected) => {
  writeFileSync(path, 'a\nb\nc\n');
  expect(await read(tail)).toBe(expected);
});

test('readLog() counts lines right when they lie in several blocks', async () => {
  const lines = Array.from({ length: 30_000 }, (_, index) => `line ${index}`);
  writeFileSync(path, `${lines.join('\n')}\n`);
  expect((await read(20_000)).split('\n')).toEqual([...lines.slice(10_000), '']);
});

test('readLog() goes on with what is appended, also after the file was cut, until it is told to end', async () => {
  writeFileSync(path, 'old old old\n');
  const stop = new AbortController();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const piece of readLog(path, { tail: 0, follow: true, signal: stop.signal })) {
      seen.push(piece);
      if (piece === 'new\n') {
        writeFileSync(path, '');
        setTimeout(() => appendFileSync(path, 'after\n'), 250);
      } else stop.abort();
    }
  })();
  setTimeout(() => appendFileSync(path, 'new\n'), 50);
  await reading;
  expect(seen).toEqual(['new\n', 'after\n']);
});
