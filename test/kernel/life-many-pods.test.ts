import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PodManager } from '../../src/agent/pod-manager.ts';
import { DesiredPods } from '../../src/agent/state.ts';
import { mapStatus, programStatus } from '../../src/agent/status.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { silentLogger } from '../../src/base/log.ts';
import { FdPoller } from '../../src/kernel/index.ts';
import type { PodRequest } from '../../src/pods/types.ts';
import { watchLoop } from '../support/loop-watch.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const count = 250;
/** Milliseconds. The aim is 5; the rest is for the locks of a kernel in which others make and end network namespaces, too. All pods in one go take longer. */
const longestPause = 250;

const cleanup = new Cleanup();
// scratch names of tests: whoever finds one of a process that ended removes it
const names = Array.from({ length: count }, (_, index) => `mrt-${process.pid}-${1000 + index}`);
let node: TestNode;
let pods: PodManager;
let state: string;
const poller = new FdPoller();

beforeAll(async () => {
  cleanup.use(poller);
  node = cleanup.use(await createTestNode());
  const directory = mkdtempSync(join(tmpdir(), 'millrace-many-'));
  cleanup.defer(() => rmSync(directory, { recursive: true }));
  cleanup.defer(() =>
    ip(
      names.map((name) => `netns del ${name}`),
      '-force',
    ),
  );
  ip(names.map((name) => `netns add ${name}`));
  // every pod has an interface with one address of each family, as a cluster's have
  for (const [index, name] of names.entries()) {
    const address = `10.${64 + (index >> 8)}.${index & 255}.2`;
    const lines = ['link set lo up', 'link add eth0 type veth peer name eth1', 'link set eth0 up', `addr add ${address}/24 dev eth0`];
    ip([...lines, `addr add fd00:${index.toString(16)}::2/64 dev eth0 nodad`], '-n', name);
  }
  state = join(directory, 'pods.json');
  pods = await manager();
}, 120_000);

afterAll(() => cleanup[Symbol.asyncDispose](), 120_000);

/** As an agent that has just started has it. */
async function manager(): Promise<PodManager> {
  const desired = await DesiredPods.open(state, silentLogger);
  const machine = { choice: { backend: 'sk_lookup', reason: 'a test' }, tcx: true } as const;
  return cleanup.use(new PodManager(node.plane, machine, desired, poller, silentLogger));
}

function ip(lines: readonly string[], ...options: readonly string[]): void {
  execFileSync('ip', [...options, '-batch', '-'], { input: `${lines.join('\n')}\n`, stdio: ['pipe', 'ignore', 'pipe'] });
}

function request(name: string): PodRequest {
  const annotations = {
    'traffic.sidecar.istio.io/excludeOutboundPorts': '9300,9400',
    'traffic.sidecar.istio.io/excludeOutboundIPRanges': '192.0.2.0/24',
  };
  return { name: `test/${name}`, netns: `/run/netns/${name}`, labels: {}, annotations, uidMap: null, meshed: true, backend: 'sk_lookup' };
}

/** Runs `work`, prints how long it took, and returns how long the event loop was held at most, in milliseconds. */
async function watched(what: string, work: () => Promise<unknown>): Promise<number> {
  const watch = watchLoop();
  const started = performance.now();
  await work();
  const took = performance.now() - started;
  const { median, most } = watch.stop();
  const loop = `event loop held ${median.toFixed(2)} ms (median), ${most.toFixed(1)} ms (most)`;
  process.stdout.write(`${what}: ${took.toFixed(0)} ms, ${(took / count).toFixed(2)} ms a pod; ${loop}\n`);
  return most;
}

/** What this process holds, after everything that nobody needs was collected. */
function held(): { readonly fds: number; readonly heap: number } {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return { fds: readdirSync('/proc/self/fd').length, heap: process.memoryUsage().heapUsed };
}

it('250 pods come and go in a few milliseconds each, without holding the event loop or leaving anything', async () => {
  // once round, so that what is made once is there before anything is measured
  await pods.enrol(request(names[0] ?? ''));
  await pods.reconcile();
  await pods.release(`test/${names[0]}`);
  const entries = async () => Object.fromEntries((await mapStatus(node.plane)).map((map) => [map.name, map.entries]));
  const programs = async () => (await programStatus(node.plane, () => null)).length;
  const before = { ...held(), entries: await entries(), programs: await programs() };
  const { mr_counters: _counters, mr_settings: _settings, ...rows } = before.entries;
  expect(Object.entries(rows).filter(([, value]) => value !== null && value > 0)).toEqual([]);

  const pauses: number[] = [];
  const measure = async (what: string, work: () => Promise<unknown>): Promise<void> => void pauses.push(await watched(what, work));
  await measure('enrol', async () => {
    for (const name of names) await pods.enrol(request(name));
  });
  expect(node.plane.maps.pods.count()).toBe(count);
  expect(await programs()).toBe(before.programs + count);
  await measure('reconcile', () => pods.reconcile());
  await measure('status', async () => {
    pods.status();
    await programStatus(node.plane, () => null);
    await mapStatus(node.plane);
  });
  expect(pods.drift).toEqual({ repaired: 0, last: null });
  await pods[Symbol.asyncDispose]();
  await measure('adopt', () => node.reopen());
  pods = await manager();
  await measure('restore', () => pods.restore());
  expect(pods.status().filter(({ cookie }) => cookie !== '0')).toHaveLength(count);
  await measure('release', async () => {
    for (const name of names) await pods.release(`test/${name}`);
  });

  const after = { ...held(), entries: await entries(), programs: await programs() };
  expect({ entries: after.entries, programs: after.programs, fds: after.fds }).toEqual({
    entries: before.entries,
    programs: before.programs,
    fds: before.fds,
  });
  expect(readdirSync(node.plane.pins.link('')).filter((name) => name.includes('-'))).toEqual([]);
  process.stdout.write(`heap: ${((after.heap - before.heap) / 1024).toFixed(0)} KiB more than before\n`);
  expect(after.heap - before.heap).toBeLessThan(4 * 1024 * 1024);
  expect(Math.max(...pauses)).toBeLessThan(longestPause);
}, 120_000);
