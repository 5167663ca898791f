import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Logger } from '../base/log.ts';
import { silentLogger } from '../base/log.ts';
import type { PodRequest } from '../pods/types.ts';
import { DesiredPods } from './state.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-state-'));
  path = join(directory, 'deeper', 'pods.json');
});

afterEach(() => rmSync(directory, { recursive: true }));

function pod(name: string): PodRequest {
  return { name, netns: `/run/netns/${name}`, labels: {}, annotations: { a: 'b' }, uidMap: '0 1 2', meshed: true, backend: 'bind' };
}

/** A logger that keeps its errors. */
function errors(): Logger & { readonly sentences: string[] } {
  const sentences: string[] = [];
  return { ...silentLogger, error: (_fields, sentence) => void sentences.push(sentence), sentences };
}

describe('DesiredPods', () => {
  it('is empty when there is no file', async () => {
    const log = errors();
    expect((await DesiredPods.open(path, log)).list()).toEqual([]);
    expect(log.sentences).toEqual([]);
  });

  it('finds what was set and not what was deleted when it is opened again', async () => {
    const desired = await DesiredPods.open(path, silentLogger);
    await desired.set(pod('one'));
    await desired.set(pod('two'));
    await desired.set({ ...pod('one'), meshed: false });
    await desired.delete('two');
    await desired.delete('three');
    const again = await DesiredPods.open(path, silentLogger);
    expect(again.list()).toEqual([{ ...pod('one'), meshed: false }]);
    expect(again.get('two')).toBeNull();
    // only root may know of pods
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await readdir(join(directory, 'deeper'))).toEqual(['pods.json']);
  });

  it('is empty also on disk when it is cleared', async () => {
    const desired = await DesiredPods.open(path, silentLogger);
    await desired.set(pod('one'));
    await desired.clear();
    expect(desired.list()).toEqual([]);
    expect((await DesiredPods.open(path, silentLogger)).list()).toEqual([]);
  });

  it.each([
    ['is empty', ''],
    ['is cut off', '[{"name": "one"'],
    ['is no list', '{}'],
    ['is null', 'null'],
  ])('sets the file aside, reports it and starts empty when it %s', async (_what, text) => {
    await (await DesiredPods.open(path, silentLogger)).set(pod('one'));
    writeFileSync(path, text);
    const log = errors();
    const desired = await DesiredPods.open(path, log);
    expect(desired.list()).toEqual([]);
    expect(log.sentences).toEqual(['the list of desired pods is damaged and was set aside']);
    expect(readFileSync(`${path}.damaged`, 'utf8')).toBe(text);
  });

  it('keeps the pods that are whole, also on disk, when others are damaged', async () => {
    await (await DesiredPods.open(path, silentLogger)).set(pod('one'));
    writeFileSync(path, JSON.stringify([pod('one'), 7, null, { name: 'half' }, pod('two')]));
    const log = errors();
    expect((await DesiredPods.open(path, log)).list()).toEqual([pod('one'), pod('two')]);
    expect(log.sentences).toHaveLength(1);
    const again = errors();
    expect((await DesiredPods.open(path, again)).list()).toEqual([pod('one'), pod('two')]);
    expect(again.sentences).toEqual([]);
  });
});
