import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProxyFilesWriter } from './writer.ts';

const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const files = { 'lds.json': 'l', 'cds.json': 'c', 'rds/80.json': 'r', 'ecds/deny.json': 'e', 'sds-identity.json': 's' };
let parent: string;
let directory: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'millrace-writer-'));
  directory = join(parent, 'proxy');
});
afterEach(() => {
  rmSync(parent, { recursive: true, force: true });
});

describe('ProxyFilesWriter', () => {
  it('write() puts down what is referred to before what refers to it', async () => {
    const changed = await new ProxyFilesWriter(directory, owner).write(files);
    expect(changed).toEqual(['sds-identity.json', 'ecds/deny.json', 'cds.json', 'rds/80.json', 'lds.json']);
    expect(readFileSync(join(directory, 'rds/80.json'), 'utf8')).toBe('r');
  });

  it('write() leaves alone what did not change, also for a new writer', async () => {
    await new ProxyFilesWriter(directory, owner).write(files);
    const before = statSync(join(directory, 'cds.json')).ino;
    const changed = await new ProxyFilesWriter(directory, owner).write({ ...files, 'lds.json': 'l2' });
    expect(changed).toEqual(['lds.json']);
    expect(statSync(join(directory, 'cds.json')).ino).toBe(before);
  });

  it('write() replaces a file by a rename, never in place', async () => {
    const writer = new ProxyFilesWriter(directory, owner);
    await writer.write(files);
    const before = statSync(join(directory, 'lds.json')).ino;
    await writer.write({ ...files, 'lds.json': 'l2' });
    expect(statSync(join(directory, 'lds.json')).ino).not.toBe(before);
  });

  it('write() removes what is no longer wanted and keeps what it is told to', async () => {
    const writer = new ProxyFilesWriter(directory, owner);
    await writer.write(files);
    writeFileSync(join(directory, 'envoy.json'), '{}');
    writeFileSync(join(directory, 'lds.json.tmp'), 'half');
    const { 'rds/80.json': _, ...less } = files;
    expect(await writer.write(less, { keep: ['envoy.json'] })).toEqual(['lds.json.tmp', 'rds/80.json']);
    expect(readFileSync(join(directory, 'envoy.json'), 'utf8')).toBe('{}');
  });

  it('write() lets nobody else read', async () => {
    await new ProxyFilesWriter(directory, owner).write(files);
    expect(statSync(join(directory, 'sds-identity.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'rds')).mode & 0o777).toBe(0o700);
  });

  it('write() takes over after a writer that was killed halfway', async () => {
    mkdirSync(directory);
    writeFileSync(join(directory, 'lds.json.tmp'), 'half', { mode: 0o644 });
    await new ProxyFilesWriter(directory, owner).write(files);
    expect(statSync(join(directory, 'lds.json')).mode & 0o777).toBe(0o600);
  });

  it('write() runs one call after the other', async () => {
    const writer = new ProxyFilesWriter(directory, owner);
    await Promise.all([writer.write(files), writer.write({ 'lds.json': 'last' })]);
    expect(readFileSync(join(directory, 'lds.json'), 'utf8')).toBe('last');
  });

  it('write() stops at an abort and works again after', async () => {
    const writer = new ProxyFilesWriter(directory, owner);
    await expect(writer.write(files, { signal: AbortSignal.abort() })).rejects.toThrow();
    expect(await writer.write(files)).toHaveLength(5);
  });

  it('write() says which file it cannot write', async () => {
    writeFileSync(directory, 'a file where the directory should be');
    await expect(new ProxyFilesWriter(directory, owner).write(files)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' });
  });
});
