import { readFileSync } from 'node:fs';
import {
  eventSize,
  flowEventSize,
  ipcacheCodec,
  ipcacheKeyCodec,
  readEvent,
  readFlowEvent,
  writeEvent,
  writeFlowEvent,
} from '../../src/abi/gen/index.ts';
import type { Cleanup } from '../../src/base/cleanup.ts';
import { silentLogger } from '../../src/base/log.ts';
import { bpfObjectPath } from '../../src/base/project.ts';
import { BpfMap, BpfObject, mapCodec, u64 } from '../../src/kernel/index.ts';
import { RingReader } from '../../src/kernel/ring.ts';
import { formatIp, parseIp, unmapIp } from '../../src/pods/address.ts';
import { redirectConfigFromAnnotations } from '../../src/pods/annotations.ts';
import { DataPlane } from '../../src/redirect/ebpf/data-plane.ts';
import { viewNetns } from '../../src/redirect/ebpf/netns-view.ts';
import { enrolPod, podTables } from '../../test/support/enrolment.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { createBenchNode } from '../support/bench-node.ts';

/** One thing that is timed. */
export interface Case {
  readonly name: string;
  /** Things done in one call of `run`; the printed time is that of one of them. */
  readonly batch: number;
  /** Done before each call and not timed. */
  readonly before?: () => void;
  readonly run: () => unknown;
}

/** An annotation that makes as many rows as pods in the wild have at most. */
const excluded = Array.from({ length: 32 }, (_, index) => `10.${index}.0.0/16`).join(',');
const batch = 1000;

/** What is done for an event, for a row of a map, and for a pod. Needs root; `cleanup` owns what the cases stand on. */
export async function agentCases(cleanup: Cleanup): Promise<readonly Case[]> {
  return [...decodingCases(), ...(await ringCases(cleanup)), ...mapCases(cleanup), ...(await podCases(cleanup))];
}

function decodingCases(): readonly Case[] {
  const address = parseIp('::ffff:10.244.0.2')?.bytes ?? new Uint8Array(16);
  const event = new DataView(new ArrayBuffer(eventSize));
  writeEvent(event, 0, { ...readEvent(event), cookie: 4242n, addr: address, port: 15001 });
  const flow = new DataView(new ArrayBuffer(flowEventSize));
  writeFlowEvent(flow, 0, { ...readFlowEvent(flow), cookie: 4242n, src: address, dst: address, sport: 40_000, dport: 80 });
  return [
    { name: 'read an event of a listener, its address as text', batch, run: () => times(() => listenerLine(event)) },
    { name: 'read an event of a flow', batch, run: () => times(() => readFlowEvent(flow)) },
  ];
}

/** Often enough that looking at the clock costs nothing; what comes last is kept, so that no compiler leaves the rest out. */
function times(work: () => unknown): unknown {
  let last: unknown;
  for (let index = 0; index < batch; index += 1) last = work();
  return last;
}

function listenerLine(view: DataView): string {
  const event = readEvent(view);
  return `${event.cookie} ${formatIp(unmapIp({ family: 6, bytes: event.addr }))} ${event.port}`;
}

/** Records of 16 bytes and 8 of header fill a ring of 4096 bytes. */
const ringRecords = 160;

async function ringCases(cleanup: Cleanup): Promise<readonly Case[]> {
  const object = await BpfObject.load(readFileSync(bpfObjectPath('tests/kernel_objects')), { name: 'bench' });
  cleanup.defer(() => object.close());
  const ring = cleanup.use(object.map('events'));
  const reader = cleanup.use(new RingReader(ring.fd));
  const emit = object.program('emit');
  const packet = Buffer.alloc(64);
  let seen = 0n;
  return [
    {
      name: 'take a record from the ring',
      batch: ringRecords,
      before: () => void emit.testRun(packet, { repeat: ringRecords }),
      run: () =>
        reader.consume((view, offset) => {
          seen = view.getBigUint64(offset, true);
        }, ringRecords),
    },
    { name: 'find the ring empty', batch: 1, run: () => reader.consume(() => (seen += 1n), 1) },
  ];
}

function mapCases(cleanup: Cleanup): readonly Case[] {
  const numbers = cleanup.use(BpfMap.create({ type: 'HASH', name: 'bench_hash', maxEntries: 2 * batch }, mapCodec(u64, u64)));
  const ipcache = cleanup.use(
    BpfMap.create({ type: 'LPM_TRIE', name: 'bench_lpm', maxEntries: 2 * batch }, mapCodec(ipcacheKeyCodec, ipcacheCodec)),
  );
  const rows = Array.from({ length: batch }, (_, index) => [BigInt(index), 1n] as const);
  const blank = ipcacheKeyCodec.read(new DataView(new ArrayBuffer(ipcacheKeyCodec.size)));
  const prefixes = Array.from({ length: batch }, (_, index) => {
    const addr = new Uint8Array(16);
    new DataView(addr.buffer).setUint32(12, 0x0af4_0000 + index);
    return [{ ...blank, prefixlen: 128, addr }, { identity: 1000 + index }] as const;
  });
  let next = 0;
  const following = <Row>(list: readonly Row[]): Row => {
    next = (next + 1) % list.length;
    return list[next] as Row;
  };
  return [
    { name: 'write a row of a hash', batch: 1, run: () => numbers.set(...following(rows)) },
    { name: 'read a row of a hash', batch: 1, run: () => numbers.get(following(rows)[0]) },
    { name: `write a row of a hash, ${batch} in one call`, batch, run: () => numbers.setMany(rows) },
    { name: 'write a row of the ipcache (LPM)', batch: 1, run: () => ipcache.set(...following(prefixes)) },
    { name: `write a row of the ipcache (LPM), ${batch} in one call`, batch, run: () => ipcache.setMany(prefixes) },
  ];
}

async function podCases(cleanup: Cleanup): Promise<readonly Case[]> {
  const node = cleanup.use(await createBenchNode());
  const plane = cleanup.use(
    await DataPlane.open({ elf: readFileSync(bpfObjectPath()), cgroup: node.pods, pins: node.pins, log: silentLogger }),
  );
  const { pod } = cleanup.use(await createPodNetwork());
  await enrolPod(plane, pod);
  const annotations = { 'traffic.sidecar.istio.io/excludeOutboundIPRanges': excluded };
  const plain = podTables(pod);
  return [
    { name: "read a pod's addresses, routes and interfaces", batch: 1, run: () => viewNetns(pod.handle) },
    { name: "read a pod's annotations, 32 ranges", batch: 1, run: () => redirectConfigFromAnnotations('bench/pod', annotations) },
    { name: "make a pod's rows, 32 ranges (with what it takes to look at the pod)", batch: 1, run: () => podTables(pod, { annotations }) },
    { name: 'enrol a pod that is enrolled: nothing to write', batch: 1, run: () => plane.enrol(pod.handle, plain) },
  ];
}
