import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PodManager } from '../../src/agent/pod-manager.ts';
import { DesiredPods } from '../../src/agent/state.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import type { LogFields, Logger } from '../../src/base/log.ts';
import { silentLogger } from '../../src/base/log.ts';
import { FdPoller } from '../../src/kernel/index.ts';
import type { PodRequest } from '../../src/pods/types.ts';
import { DataPlane } from '../../src/redirect/ebpf/data-plane.ts';
import { compileBpf } from '../support/compile-bpf.ts';
import type { Dialling } from '../support/dialling-process.ts';
import { startDialling } from '../support/dialling-process.ts';
import { startListening } from '../support/listening-process.ts';
import type { PodNetwork, TestNetns } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { application, dial, listen, proxy, root } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

// A build whose tables are small, so that a few pods fill them. `first` is a pod with traffic that must notice nothing, `filler` takes all room,
// `late` finds none.
const sizes = { pods: 3, ranges: 64, ports: 16, groups: 8 };
const annotation = (name: string, value: string) => ({ [`traffic.sidecar.istio.io/${name}`]: value });

const cleanup = new Cleanup();
const elf = compileBpf('bpf/millrace.bpf.c', [
  { file: 'bpf/abi/version.h', from: 'MR_SIZE_PODS = 1024', to: `MR_SIZE_PODS = ${sizes.pods}` },
  { file: 'bpf/abi/version.h', from: 'MR_SIZE_RANGES = 131072', to: `MR_SIZE_RANGES = ${sizes.ranges}` },
  { file: 'bpf/abi/version.h', from: 'MR_SIZE_PORTS = 65536', to: `MR_SIZE_PORTS = ${sizes.ports}` },
  { file: 'bpf/abi/version.h', from: 'MR_SIZE_GROUPS = 65536', to: `MR_SIZE_GROUPS = ${sizes.groups}` },
]);
let node: TestNode;
let perTest: Cleanup;
let plane: DataPlane;
let pods: PodManager;
let first: PodNetwork;
let filler: PodNetwork;
let late: PodNetwork;
let traffic: readonly Dialling[];
let errors: { readonly fields: LogFields; readonly sentence: string }[];

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(async () => {
  perTest = new Cleanup();
  const pins = join(node.pins, 'small');
  plane = perTest.use(await DataPlane.open({ elf, cgroup: node.cgroup, pins, log: silentLogger }));
  const directory = mkdtempSync(join(tmpdir(), 'millrace-full-'));
  perTest.defer(() => rmSync(directory, { recursive: true }));
  errors = [];
  const log: Logger = { ...silentLogger, error: (fields, sentence) => void errors.push({ fields, sentence }) };
  const desired = await DesiredPods.open(join(directory, 'pods.json'), log);
  const machine = { choice: { backend: 'sk_lookup', reason: 'a test' }, tcx: true } as const;
  pods = perTest.use(new PodManager(plane, machine, desired, perTest.use(new FdPoller()), log));
  [first, filler, late] = [await network(), await network(), await network()];
  perTest.use(await listen(late.outside, root, 'real', '0.0.0.0:80'));
  perTest.use(await startListening(first.pod, proxy, 'proxy', [':::15001', ':::15006']));
  await pods.enrol(request('first', first.pod));
  traffic = [
    perTest.use(await startDialling(first.pod, application, ['10.9.0.1:80'])),
    perTest.use(await startDialling(first.outside, root, ['10.9.0.2:8080'])),
  ];
});

afterEach(async () => {
  for (const cookie of await plane.knownCookies()) await plane.release(cookie);
  await perTest[Symbol.asyncDispose]();
});

async function network(): Promise<PodNetwork> {
  return perTest.use(await createPodNetwork());
}

function request(name: string, { path }: TestNetns, annotations: Readonly<Record<string, string>> = {}): PodRequest {
  return { name: `test/${name}`, netns: path, labels: {}, annotations, uidMap: null, meshed: true, backend: 'sk_lookup' };
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);

/** Takes all rows of a table but one. */
async function fill(map: 'mr_ranges' | 'mr_ports' | 'mr_groups'): Promise<void> {
  await pods.enrol(request('filler', filler.pod));
  if (map === 'mr_ranges') {
    const cidrs = numbers(1, sizes.ranges - plane.maps.ranges.count() - 1).map((last) => `192.0.2.${last}/32`);
    await pods.enrol(request('filler', filler.pod, annotation('excludeOutboundIPRanges', cidrs.join(','))));
  } else if (map === 'mr_ports') {
    const ports = numbers(9000, sizes.ports - plane.maps.ports.count() - 1);
    await pods.enrol(request('filler', filler.pod, annotation('excludeOutboundPorts', ports.join(','))));
  } else {
    await pods.enrol(request('filler', filler.pod, owners(sizes.groups - 1)));
  }
}

const owners = (count: number) => ({
  'proxy.istio.io/config': `proxyMetadata:\n  ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: "${numbers(5000, count).join(',')}"\n`,
});

const dialledFromLate = async () => (await dial(late.pod, application, '10.9.0.1:80')).answer;
const dialledToLate = async () => (await dial(late.outside, root, '10.9.0.2:8080')).answer;
const problemsOf = (name: string) => pods.status().find((pod) => pod.name === `test/${name}`)?.problems ?? [];

/** Lets the pod that was there first make and get connections in the state that things are in. */
const meetFirst = () => Promise.all(traffic.map((dialling) => dialling.more(5)));

async function expectFirstUntouched(): Promise<void> {
  await meetFirst();
  const answers = Object.assign({}, ...(await Promise.all(traffic.map((dialling) => dialling.stop())))) as Record<string, number>;
  expect(Object.keys(answers).sort()).toEqual(['10.9.0.1 80 proxy', '10.9.0.2 8080 proxy']);
}

const tables = [
  { map: 'mr_ranges', wish: {} },
  { map: 'mr_ports', wish: {} },
  { map: 'mr_groups', wish: owners(2) },
] as const;

describe('enrol()', () => {
  it.each(tables)('closes a pod until there is room, and only that one, when $map is full', async ({ map, wish }) => {
    await using _app = await listen(late.pod, application, 'app', '0.0.0.0:8080');
    await using _proxy = await startListening(late.pod, proxy, 'proxy', [':::15001', ':::15006']);
    await fill(map);
    const before = { ranges: plane.maps.ranges.count(), ports: plane.maps.ports.count(), groups: plane.maps.groups.count() };
    expect([await dialledFromLate(), await dialledToLate()]).toEqual(['real', 'app']);
    const error = await pods.enrol(request('late', late.pod, wish)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'UserError', code: 'TABLE_FULL', data: { map } });
    expect(String(error)).toMatch(
      /Cannot enrol test\/late, and it is closed, none of its TCP connections is let through: .*is full: \d+ of \d+ rows/,
    );
    // nothing half: no rows but the one that closes it, in both directions and to itself
    expect({ ranges: plane.maps.ranges.count(), ports: plane.maps.ports.count(), groups: plane.maps.groups.count() }).toEqual(before);
    expect([await dialledFromLate(), await dialledToLate()]).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
    expect((await dial(late.pod, application, '[2001:db8::5]:80')).answer).toBe('ECONNREFUSED');
    expect((await dial(late.outside, root, '[fd00:9::2]:8080')).answer).toBe('ECONNREFUSED');
    // said once, shown always
    await pods.reconcile();
    await pods.reconcile();
    await meetFirst();
    expect(problemsOf('late')[0]).toContain(map);
    expect(errors.map(({ fields, sentence }) => [fields.pod, fields.map, sentence])).toEqual([
      ['test/late', map, 'a table has no room for the rows of a pod'],
    ]);
    expect([await dialledFromLate(), await dialledToLate()]).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
    expect(pods.drift.repaired).toBe(0);
    await pods.release('test/filler');
    await pods.reconcile();
    expect(problemsOf('late')).toEqual([]);
    expect([await dialledFromLate(), await dialledToLate()]).toEqual(['proxy', 'proxy']);
    await expectFirstUntouched();
  });

  it('leaves a pod out that must not be started, and enrols it when there is room, when mr_pods is full', async () => {
    await pods.enrol(request('filler', filler.pod));
    await pods.enrol(request('second-filler', (await network()).pod));
    const before = [...(await plane.knownCookies())].sort();
    const ranges = plane.maps.ranges.count();
    const error = await pods.enrol(request('late', late.pod)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'UserError', code: 'TABLE_FULL' });
    expect(String(error)).toMatch(/it is not redirected and must not be started: .*mr_(usage|pods) is full: 3 of 3/);
    expect([...(await plane.knownCookies())].sort()).toEqual(before);
    expect([plane.maps.ranges.count(), plane.maps.usage.count()]).toEqual([ranges, 3]);
    expect(problemsOf('late')).toContainEqual(expect.stringContaining('the kernel has no row for this pod'));
    await meetFirst();
    await pods.release('test/filler');
    await pods.reconcile();
    expect(await dialledFromLate()).toBe('ECONNREFUSED');
    expect(problemsOf('late').filter((problem) => !problem.includes('the proxy does not listen'))).toEqual([]);
    await expectFirstUntouched();
  });

  it('keeps the configuration that a pod had when the table is full for a larger one', async () => {
    await fill('mr_ports');
    // there is room for the range and for the first port: each of them alone would let the traffic pass the proxy by
    const larger = { ...annotation('excludeOutboundPorts', '80,81,82'), ...annotation('excludeOutboundIPRanges', '10.9.0.1/32') };
    const writes = [vi.spyOn(plane.maps.ranges, 'setMany'), vi.spyOn(plane.maps.ports, 'setMany')];
    const error = await pods.enrol(request('first', first.pod, larger)).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/Cannot enrol test\/first, and it keeps the configuration that it had: .*mr_ports is full/);
    for (let round = 0; round < 20; round += 1) await pods.reconcile();
    expect(problemsOf('first')[0]).toContain('mr_ports');
    // not even for a moment
    for (const write of writes) expect(write).not.toHaveBeenCalled();
    await expectFirstUntouched();
    expect(plane.maps.ports.count()).toBe(sizes.ports - 1);
    await pods.release('test/filler');
    await pods.reconcile();
    expect(problemsOf('first')).toEqual([]);
    await using _real = await listen(first.outside, root, 'real', '0.0.0.0:80');
    expect((await dial(first.pod, application, '10.9.0.1:80')).answer).toBe('real');
  });

  it('knows a closed pod again when another agent takes over', async () => {
    await fill('mr_ports');
    await expect(pods.enrol(request('late', late.pod))).rejects.toMatchObject({ code: 'TABLE_FULL' });
    await plane[Symbol.asyncDispose]();
    plane = perTest.use(await DataPlane.open({ elf, cgroup: node.cgroup, pins: plane.pins.root, log: silentLogger }));
    const directory = mkdtempSync(join(tmpdir(), 'millrace-full-'));
    perTest.defer(() => rmSync(directory, { recursive: true }));
    const desired = await DesiredPods.open(join(directory, 'pods.json'), silentLogger);
    await desired.set(request('late', late.pod));
    const machine = { choice: { backend: 'sk_lookup', reason: 'a test' }, tcx: true } as const;
    const next = perTest.use(new PodManager(plane, machine, desired, perTest.use(new FdPoller()), silentLogger));
    await next.restore();
    expect(next.status()[0]?.problems[0]).toMatch(/it is closed/);
    expect([await dialledFromLate(), await dialledToLate()]).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
    await next.release('test/late');
    expect(await dialledFromLate()).toBe('real');
    await expectFirstUntouched();
  });
});
