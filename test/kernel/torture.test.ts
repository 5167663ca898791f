import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { launcherPath } from '../../src/base/project.ts';
import { findCgroup2 } from '../../src/kernel/cgroup.ts';

function start(...args: readonly string[]) {
  const child = spawn(process.execPath, [launcherPath(), 'torture', ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { child, ended: ended.then(([stdout, stderr, [code]]) => ({ stdout, stderr, code: code as number | null })) };
}

/** What a run with this process id has on the machine. */
function tracesOf(pid: number | undefined): readonly string[] {
  const name = `millrace-torture-${pid}`;
  const cgroups = existsSync(join(findCgroup2(), name)) ? ['cgroup'] : [];
  return [...cgroups, ...readdirSync(tmpdir()).filter((entry) => entry.startsWith(`${name}-`))];
}

/** What `-o json` prints, as far as the tests look at it. */
interface Answer {
  readonly trials: number;
  readonly acceleratedBytes: number;
  readonly rows: readonly { readonly name: string; readonly route: string; readonly failed: number; readonly bytes: number | null }[];
  readonly failed: readonly { readonly name: string; readonly differences: readonly string[] }[];
  readonly notAccelerated: readonly unknown[];
  readonly grown: readonly string[];
}

describe('millrace torture', () => {
  it('sees no difference between plain TCP and acceleration in any case, and every case accelerated', { timeout: 300_000 }, async () => {
    const { child, ended } = start('--duration', '0s', '-o', 'json');
    const { stdout, stderr, code } = await ended;
    expect(stderr).toBe('');
    const answer = JSON.parse(stdout) as Answer;
    expect({ failed: answer.failed, notAccelerated: answer.notAccelerated, grown: answer.grown }).toEqual({
      failed: [],
      notAccelerated: [],
      grown: [],
    });
    expect(code).toBe(0);
    expect(answer.acceleratedBytes).toBeGreaterThan(10_000_000);
    const unasked = answer.rows.filter(({ route }) => route === 'direct-unannotated');
    expect(unasked.length).toBeGreaterThan(5);
    expect(unasked.filter(({ bytes }) => bytes !== 0)).toEqual([]);
    expect(tracesOf(child.pid)).toEqual([]);
  });

  it('fails with programs that redirect every message: bytes overtake others, and nothing holds a sender back', {
    timeout: 120_000,
  }, async () => {
    const { ended } = start('--naive', '--duration', '0s', '--case', 'slow-reader', '--case', 'fast-open', '-o', 'json');
    const { stdout, code } = await ended;
    expect(code).toBe(1);
    const answer = JSON.parse(stdout) as Answer;
    const told = (name: string): string =>
      answer.failed
        .filter((trial) => trial.name === name)
        .flatMap(({ differences }) => differences)
        .join('\n');
    expect(told('fast-open')).toMatch(/byte \d+ of stream 0 is/);
    expect(told('slow-reader')).toContain('held back: no');
  });

  it('shows what applications would see that an accelerated socket cannot hide itself from', { timeout: 120_000 }, async () => {
    const { ended } = start('--facts', '--duration', '0s', '--case', 'low-water-mark', '--case', 'splice-echo', '-o', 'json');
    const { stdout, code } = await ended;
    expect(code).toBe(0);
    const answer = JSON.parse(stdout) as Answer;
    expect(answer.rows.map(({ name, route }) => `${name} ${route}`)).toEqual(['low-water-mark direct', 'splice-echo direct']);
    expect(answer.failed.map(({ name }) => name)).toEqual(['low-water-mark', 'splice-echo']);
  });

  it('does the same again with the same seed', { timeout: 120_000 }, async () => {
    const run = () => start('--accelerate', 'off', '--duration', '0s', '--seed', '7', '--case', 'half-close', '-o', 'json').ended;
    const [first, second] = [await run(), await run()];
    const rowsOf = ({ stdout }: { readonly stdout: string }): unknown => (JSON.parse(stdout) as Answer).rows;
    expect(rowsOf(first)).toEqual(rowsOf(second));
    expect(first.code).toBe(0);
  });

  it('leaves nothing behind when it is interrupted, and takes away what a killed one has left', { timeout: 120_000 }, async () => {
    const killed = start('--duration', '60s', '--case', 'stream');
    await untilMade(killed.child.pid);
    killed.child.kill('SIGKILL');
    await killed.ended;
    expect(tracesOf(killed.child.pid)).not.toEqual([]);
    const interrupted = start('--duration', '60s', '--case', 'stream');
    await untilMade(interrupted.child.pid);
    interrupted.child.kill('SIGINT');
    expect((await interrupted.ended).code).toBe(130);
    expect(tracesOf(killed.child.pid)).toEqual([]);
    expect(tracesOf(interrupted.child.pid)).toEqual([]);
  });

  it('names the cases when none is called so', async () => {
    const { stderr, code } = await start('--case', 'nonsense').ended;
    expect(code).toBe(2);
    expect(stderr).toContain('half-close');
  });
});

async function untilMade(pid: number | undefined): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (tracesOf(pid).length < 3) {
    if (performance.now() > deadline) throw new Error('the run made nothing within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
