import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { launcherPath, projectRoot } from '../../src/base/project.ts';
import { conformanceDocument } from '../../src/conformance/markdown.ts';
import { fieldsText } from '../../src/conformance/report.ts';
import { allRows } from '../../src/conformance/rows/all.ts';
import type { RowResult, Summary } from '../../src/conformance/types.ts';
import { findCgroup2 } from '../../src/kernel/cgroup.ts';
import { parseMounts } from '../../src/kernel/mount.ts';

function start(...args: readonly string[]) {
  const child = spawn(process.execPath, [launcherPath(), 'conformance', ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { child, ended: ended.then(([stdout, stderr, [code]]) => ({ stdout, stderr, code: code as number | null })) };
}

/** What a run with this process id has on the machine. */
function tracesOf(pid: number | undefined): readonly string[] {
  const name = `millrace-conformance-${pid}`;
  const mounts = parseMounts(readFileSync('/proc/self/mounts', 'utf8')).map(({ target }) => target);
  return [
    ...(existsSync(join(findCgroup2(), name)) ? ['cgroup'] : []),
    ...readdirSync(tmpdir()).filter((entry) => entry.startsWith(`${name}-`)),
    ...mounts.filter((target) => target.includes(`${name}-`)),
  ];
}

/** The names of the programs that a process runs at the moment. */
function childrenOf(pid: number | undefined): readonly string[] {
  try {
    const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    return pids.map((child) => readFileSync(`/proc/${child}/comm`, 'utf8').trim());
  } catch {
    // one of them ended while we looked
    return [];
  }
}

async function until(what: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!what()) {
    if (performance.now() > deadline) throw new Error('it did not come to that within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('millrace conformance', () => {
  it('passes every row, or deviates as documented, under every mode', { timeout: 180_000 }, async () => {
    const { child, ended } = start('--mode', 'all', '-o', 'json');
    const { stdout, stderr, code } = await ended;
    expect(stderr).toBe('');
    const { summary, rows }: { summary: Summary; rows: readonly RowResult[] } = JSON.parse(stdout);
    const unexpected = rows.filter(({ verdict }) => verdict === 'fail' || verdict === 'skip');
    expect(
      unexpected.map(({ id, mode, verdict, expected, seen }) => `${verdict} ${mode} ${id}: ${fieldsText(expected)} / ${fieldsText(seen)}`),
    ).toEqual([]);
    expect(summary).toMatchObject({ rows: allRows.length * 3, fail: 0, skip: 0 });
    expect(rows.filter(({ mode, verdict }) => mode === 'iptables' && verdict !== 'pass')).toEqual([]);
    expect(code).toBe(0);
    expect(tracesOf(child.pid)).toEqual([]);
  });

  it('prints the table and runs only what --filter names', { timeout: 60_000 }, async () => {
    const { stdout, code } = await start('--mode', 'both', '--filter', 'out-26').ended;
    expect(stdout).toMatch(/^ID +MODE +RESULT +FLOW +EXPECTED +SEEN\n/);
    expect(stdout).toMatch(/^OUT-26\/validation +sk_lookup +pass +istio-validation: 127\.0\.0\.1:0 → 127\.0\.0\.6:15002 /m);
    expect(stdout).toMatch(/\n4 rows: 4 pass, 0 deviation, 0 fail, 0 skip, in \d+ s\n$/);
    expect(code).toBe(0);
  });

  it('refuses a filter that no row matches', async () => {
    const { stderr, code } = await start('--filter', 'no such row').ended;
    expect(stderr).toContain('Cannot run the conformance table because no row matches --filter: no such row');
    expect(code).toBe(2);
  });

  it.each([0, 300, 1500])('leaves nothing behind when Ctrl-C is pressed %d ms after it began', { timeout: 60_000 }, async (delay) => {
    const { child, ended } = start('--mode', 'ebpf');
    await until(() => tracesOf(child.pid).length === 3);
    await new Promise((resolve) => setTimeout(resolve, delay));
    // as a terminal does: everything that belongs to the command hears it
    process.kill(-(child.pid ?? 0), 'SIGINT');
    expect(await ended).toEqual({ code: 130, stdout: '', stderr: '' });
    expect(tracesOf(child.pid)).toEqual([]);
  });

  it('leaves nothing behind when it is interrupted while rules are written', { timeout: 60_000 }, async () => {
    const { child, ended } = start('--mode', 'iptables');
    await until(() => childrenOf(child.pid).some((name) => name.startsWith('iptables') || name.startsWith('xtables')));
    process.kill(-(child.pid ?? 0), 'SIGINT');
    expect(await ended).toEqual({ code: 130, stdout: '', stderr: '' });
    expect(tracesOf(child.pid)).toEqual([]);
  });

  it('removes what a killed run left behind when it starts', { timeout: 60_000 }, async () => {
    const { child, ended } = start('--mode', 'ebpf');
    await until(() => tracesOf(child.pid).length === 3);
    child.kill('SIGKILL');
    await ended;
    expect(tracesOf(child.pid)).toHaveLength(3);
    expect((await start('--mode', 'iptables', '--filter', 'OUT-07').ended).code).toBe(0);
    expect(tracesOf(child.pid)).toEqual([]);
  });
});

describe('docs/conformance.md', () => {
  it('is what the command prints from its data', async () => {
    const committed = readFileSync(join(projectRoot(), 'docs/conformance.md'), 'utf8');
    expect(committed).toBe(conformanceDocument());
    expect((await start('-o', 'markdown').ended).stdout).toBe(committed);
  });
});
