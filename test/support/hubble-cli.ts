import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from '../../src/base/project.ts';
import { lockOwner } from '../../src/lab/lock.ts';
import type { Ran } from './run-process.ts';
import { runProcess } from './run-process.ts';

const source = join(projectRoot(), 'test/hubble');
const binary = join(projectRoot(), '.hubble/hubble');
const stamp = join(projectRoot(), '.hubble/stamp');

/** Where the command and, while it is built, all of Go's files are. */
export const hubbleFolder = join(projectRoot(), '.hubble');

/** While a build runs ahead of the tests: its process group and when that began. */
export const hubbleLock = join(hubbleFolder, 'building');

/** The first build may take so long: Cilium's module, its dependencies, and their compilation. Measured: 8 minutes on two busy processors. */
export const hubbleBuildMs = 20 * 60_000;

/** Whether the command of this very source is there. */
export function isHubbleBuilt(): boolean {
  return existsSync(binary) && existsSync(stamp) && readFileSync(stamp, 'utf8') === sourceMark();
}

/**
 * The path of the real `hubble` command, built from the Go module proxy at first and kept in .hubble/; or why there is none, because Go is missing or
 * the proxy cannot be reached. Any other failure throws.
 */
export async function hubbleCli(): Promise<{ readonly path: string } | { readonly missing: string }> {
  if (isHubbleBuilt()) return { path: binary };
  const version = await runProcess('go', ['version']).catch(() => null);
  if (version?.status !== 0) return { missing: 'Go is not installed' };
  process.stderr.write('building the hubble command line from the Go module proxy; this takes some minutes, once\n');
  const started = Date.now();
  await buildAhead();
  const download = await go(['mod', 'download', 'github.com/cilium/cilium']);
  if (download.status !== 0) {
    if (/dial tcp|no such host|connection refused|i\/o timeout|proxyconnect|handshake timeout/.test(download.stderr)) {
      return { missing: `the Go module proxy cannot be reached: ${download.stderr.trim().split('\n').at(-1) ?? ''}` };
    }
    throw new Error(`cannot download Cilium's module: ${download.stderr}`);
  }
  // what was built ahead is in Go's cache
  const build = await go(['build', '-trimpath', '-ldflags', '-s -w', '-o', binary, '.']);
  if (build.status !== 0) throw new Error(`cannot build hubble: ${build.stderr}`);
  writeFileSync(stamp, sourceMark());
  // one and a half gigabytes that nobody needs again
  await Promise.all(['mod', 'cache'].map((name) => rm(join(hubbleFolder, name), { recursive: true, force: true })));
  process.stderr.write(`waited ${Math.round((Date.now() - started) / 1000)} s for the hubble command line\n`);
  return { path: binary };
}

/** What `go` is called with so that it touches nothing outside of .hubble/. */
export function goCommand(args: readonly string[]): { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  return {
    args: ['-C', source, ...args],
    env: {
      CGO_ENABLED: '0',
      // unoptimised: a quarter less to compile
      GOFLAGS: '-mod=readonly -modcacherw -buildvcs=false -gcflags=all=-N',
      GOMODCACHE: join(hubbleFolder, 'mod'),
      GOCACHE: join(hubbleFolder, 'cache'),
    },
  };
}

/** Resolves when no build runs ahead any more; somebody waits for it now, so it gets its share of the processors. */
async function buildAhead(): Promise<void> {
  const group = lockOwner(hubbleLock);
  if (group === null) return;
  await runProcess('renice', ['-n', '0', '-g', String(group)]);
  while (lockOwner(hubbleLock) !== null) await sleep(250);
}

function sourceMark(): string {
  const text = ['main.go', 'go.mod', 'go.sum'].map((name) => readFileSync(join(source, name), 'utf8')).join('\n');
  return createHash('sha256').update(text).digest('hex');
}

function go(args: readonly string[]): Promise<Ran> {
  const command = goCommand(args);
  return runProcess('go', command.args, { timeoutMs: hubbleBuildMs, env: command.env });
}
