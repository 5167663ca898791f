import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureText } from '../../src/accelerate/report.ts';
import type { TestedNode } from '../../src/accelerate/self-test.ts';
import { runSelfTest } from '../../src/accelerate/self-test.ts';
import { withTestProgram } from '../../src/accelerate/test-program.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import type { ScratchNode } from '../../src/conformance/scratch-node.ts';
import { createScratchNode } from '../../src/conformance/scratch-node.ts';
import type { AccelerationState, DataPlane } from '../../src/redirect/ebpf/data-plane.ts';
import { createTestNode } from '../support/test-node.ts';

const { signal } = new AbortController();

const nodeOf = ({ plane, cgroup }: ScratchNode): TestedNode => ({ plane, cgroup, inTurn: (work) => work() });

/** Everything that a test could leave in the tables. */
function rows({ maps }: DataPlane): Record<string, number> {
  const { pods, podAddresses, usage, peers, accelerated, readers } = maps;
  const counted = Object.entries({ pods, podAddresses, usage, peers, readers }).map(([name, map]) => [name, map.count()]);
  return { ...Object.fromEntries(counted), accelerated: [...accelerated.keys()].length };
}

describe('runSelfTest()', () => {
  const cleanup = new Cleanup();
  let node: ScratchNode;

  beforeAll(async () => {
    node = cleanup.use(await createTestNode());
  });

  afterAll(() => cleanup[Symbol.asyncDispose]());

  it.each<AccelerationState>(['self-test', 'on'])('passes on this kernel within two seconds while acceleration is %s', async (state) => {
    node.plane.setAcceleration(state);
    const result = await runSelfTest(nodeOf(node), signal);
    expect(failureText(result)).toBe('nothing');
    expect(result.usable).toBe(true);
    expect(result.durationMs).toBeLessThan(2000);
    expect(result.checks.filter(({ kind }) => kind === 'safety').map(({ name }) => name)).toEqual([
      'first message',
      'server first',
      'half-close',
      'integrity',
      'slow reader',
      'port reuse',
      'integrity over IPv6',
    ]);
    const unasked = result.checks.filter(({ kind }) => kind === 'application');
    expect(result.applications).toBe(unasked.every(({ passed }) => passed) ? 'all' : 'by annotation');
    expect(unasked.map(({ name }) => name)).toContain('splice');
  });

  it('leaves no row, no cgroup and no count', async () => {
    node.plane.setAcceleration('self-test');
    const counters = (): unknown => Object.entries(node.plane.counters()).filter(([name]) => name.includes('accelerate'));
    const before = { rows: rows(node.plane), counters: counters() };
    expect((await runSelfTest(nodeOf(node), signal)).usable).toBe(true);
    await expect.poll(() => rows(node.plane)).toEqual(before.rows);
    expect(counters()).toEqual(before.counters);
    expect(existsSync(join(node.cgroup, 'millrace-self-test'))).toBe(false);
  });

  it('fails where nothing is accelerated: it tries what it says', async () => {
    node.plane.setAcceleration('off');
    const result = await runSelfTest(nodeOf(node), signal);
    expect(result.usable).toBe(false);
    expect(failureText(result)).toMatch(/^integrity: only \d+ of \d+ bytes went by sockmap$/);
  });

  it('fails with the reason when its program cannot run, and leaves nothing', async () => {
    const use = () => Promise.reject(new Error('it was not to become ready'));
    await expect(withTestProgram(node.cgroup, signal, use, '/nonexistent/self-test')).rejects.toThrow('ENOENT');
    await expect(withTestProgram(node.cgroup, signal, use, '/bin/false')).rejects.toThrow('it ended with exit code 1');
    expect(existsSync(join(node.cgroup, 'millrace-self-test'))).toBe(false);
  });

  it('ends when it is told to, in the middle of it', async () => {
    const before = rows(node.plane);
    node.plane.setAcceleration('self-test');
    const stop = new AbortController();
    const running = runSelfTest(nodeOf(node), stop.signal);
    await expect.poll(() => rows(node.plane).pods).toBeGreaterThan(before.pods ?? 0);
    const over = expect(running).rejects.toThrow();
    stop.abort();
    await over;
    expect(rows(node.plane).pods).toBe(before.pods);
    expect(existsSync(join(node.cgroup, 'millrace-self-test'))).toBe(false);
  });
});

describe('runSelfTest() of programs that redirect always', () => {
  it('fails: that way is the one that it is there to find', async () => {
    await using node = await createScratchNode(`millrace-naive-${process.pid}`, 'millrace-naive');
    node.plane.setAcceleration('self-test');
    const result = await runSelfTest(nodeOf(node), signal);
    expect(result.usable).toBe(false);
    expect(result.checks.find(({ name }) => name === 'slow reader')?.passed).toBe(false);
  });
});
