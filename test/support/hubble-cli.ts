import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../../src/base/project.ts';
import type { Ran } from './run-process.ts';
import { runProcess } from './run-process.ts';

const source = join(projectRoot(), 'test/hubble');
const folder = join(projectRoot(), '.hubble');
const binary = join(folder, 'hubble');
const stamp = join(folder, 'stamp');

/** The first build may take so long: Cilium's module, its dependencies, and their compilation. Measured: 7 minutes on two busy processors. */
export const hubbleBuildMs = 20 * 60_000;

/**
 * The path of the real `hubble` command, built from the Go module proxy at first and kept in .hubble/; or why there is none, because Go is missing or
 * the proxy cannot be reached. Any other failure throws.
 */
export async function hubbleCli(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const mark = createHash('sha256')
    .update(['main.go', 'go.mod', 'go.sum'].map((name) => readFileSync(join(source, name), 'utf8')).join('\n'))
    .digest('hex');
  if (existsSync(binary) && existsSync(stamp) && readFileSync(stamp, 'utf8') === mark) return { path: binary };
  const version = await runProcess('go', ['version']).catch(() => null);
  if (version?.status !== 0) return { missing: 'Go is not installed' };
  process.stderr.write('building the hubble command line from the Go module proxy; this takes some minutes, once\n');
  const started = Date.now();
  const download = await go(['mod', 'download', 'github.com/cilium/cilium']);
  if (download.status !== 0) {
    if (/dial tcp|no such host|connection refused|i\/o timeout|proxyconnect|handshake timeout/.test(download.stderr)) {
      return { missing: `the Go module proxy cannot be reached: ${download.stderr.trim().split('\n').at(-1) ?? ''}` };
    }
    throw new Error(`cannot download Cilium's module: ${download.stderr}`);
  }
  const build = await go(['build', '-trimpath', '-ldflags', '-s -w', '-o', binary, '.']);
  if (build.status !== 0) throw new Error(`cannot build hubble: ${build.stderr}`);
  writeFileSync(stamp, mark);
  // one and a half gigabytes that nobody needs again
  await Promise.all(['mod', 'cache'].map((name) => rm(join(folder, name), { recursive: true, force: true })));
  process.stderr.write(`built the hubble command line in ${Math.round((Date.now() - started) / 1000)} s\n`);
  return { path: binary };
}

function go(args: readonly string[]): Promise<Ran> {
  return runProcess('go', ['-C', source, ...args], {
    timeoutMs: hubbleBuildMs,
    env: {
      CGO_ENABLED: '0',
      GOFLAGS: '-mod=readonly -modcacherw -buildvcs=false',
      GOMODCACHE: join(folder, 'mod'),
      GOCACHE: join(folder, 'cache'),
    },
  });
}
