import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../base/log.ts';
import { AccessLogs } from './access-logs.ts';

let folder: string;
let path: string;
let lines: string[];
let skipped: number;
let logs: AccessLogs;
let followed: boolean;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-access-log-'));
  path = join(folder, 'proxy.log');
  lines = [];
  skipped = 0;
  followed = true;
  logs = new AccessLogs({
    logs: () => (followed ? [{ path, addresses: ['10.0.0.1'] }] : []),
    onLine: (line, addresses) => lines.push(`${addresses.join()} ${line}`),
    onSkipped: (count) => {
      skipped += count;
    },
    log: silentLogger,
    everyMs: 1_000_000,
    linesPerLook: 3,
  });
});

afterEach(async () => {
  await logs[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const seen = async (): Promise<readonly string[]> => {
  await logs.look();
  return lines.splice(0).map((line) => line.replace('10.0.0.1 ', ''));
};

describe('AccessLogs', () => {
  it('reads what is appended, line by line, also one that is written in two pieces', async () => {
    await logs.look();
    writeFileSync(path, 'one\ntw');
    expect(await seen()).toEqual(['one']);
    appendFileSync(path, 'o\nthree\n');
    expect(await seen()).toEqual(['two', 'three']);
    expect(await seen()).toEqual([]);
  });

  it('begins at the end of a log that was there before it', async () => {
    writeFileSync(path, 'old\n');
    expect(await seen()).toEqual([]);
    appendFileSync(path, 'new\n');
    expect(await seen()).toEqual(['new']);
  });

  it('begins anew when a log is cut or replaced', async () => {
    writeFileSync(path, 'a long line of the old log\n');
    await logs.look();
    truncateSync(path);
    appendFileSync(path, 'cut\n');
    expect(await seen()).toEqual(['cut']);
    appendFileSync(path, 'the last of it\n');
    renameSync(path, `${path}.1`);
    expect(await seen()).toEqual(['the last of it']);
    appendFileSync(`${path}.1`, 'by a writer that has not noticed\n');
    writeFileSync(path, 'another file, which is longer\n');
    expect(await seen()).toEqual(['by a writer that has not noticed', 'another file, which is longer']);
  });

  it('goes on when a pod has put something else in the place of its log', async () => {
    writeFileSync(path, '');
    await logs.look();
    rmSync(path);
    execFileSync('mkfifo', [path]);
    expect(await seen()).toEqual([]);
    rmSync(path);
    mkdirSync(path);
    expect(await seen()).toEqual([]);
    rmSync(path, { recursive: true });
    writeFileSync(path, 'a log again\n');
    expect(await seen()).toEqual(['a log again']);
  });

  it('counts what comes faster than it is to be read, exactly', async () => {
    await logs.look();
    const long = 'x'.repeat(1000);
    writeFileSync(path, `1\n2\n3\n${`${long}\n`.repeat(1000)}end`);
    expect(await seen()).toEqual(['1', '2', '3']);
    expect(skipped).toBe(1000);
    appendFileSync(path, ' of it\n');
    expect(await seen()).toEqual(['end of it']);
  });

  it('forgets a log that is no longer named', async () => {
    await logs.look();
    writeFileSync(path, 'one\n');
    followed = false;
    await logs.look();
    followed = true;
    expect(await seen()).toEqual([]);
  });
});
