import { memoryUsage } from 'node:process';
import type { BpfObject } from '../../src/kernel/index.ts';
import type { CompiledPolicy } from '../../src/policy/types.ts';
import type { PolicyTableChange } from '../../src/policy-tables/index.ts';
import { PolicyTableWriter } from '../../src/policy-tables/index.ts';
import { openMaps } from '../../src/redirect/ebpf/maps.ts';
import type { SyntheticSize } from './synthetic.ts';
import { syntheticPolicy } from './synthetic.ts';

/** What one step of the load cost. */
export interface LoadStep {
  readonly step: string;
  readonly rows: number;
  readonly prefixes: number;
  readonly milliseconds: number;
  /** Resident memory of this process after it, MiB. */
  readonly resident: number;
}

/** Writes a large policy, changes it as clusters do, and takes it over as a restarted agent would. */
export async function measureLoad(object: BpfObject, size: SyntheticSize): Promise<readonly LoadStep[]> {
  const maps = openMaps(object);
  const writer = new PolicyTableWriter(maps);
  const again = new PolicyTableWriter(maps);
  try {
    const policy = syntheticPolicy(size);
    const steps = [await timed('everything for the first time', () => writer.apply(policy, []))];
    steps.push(await timed('the same again', () => writer.apply({ ...policy, ipcache: [...policy.ipcache] }, [])));
    steps.push(await timed('one policy of forty rules', () => writer.apply(withOtherPolicy(policy), [])));
    steps.push(await timed('one pod more', () => writer.apply(withOtherPod(withOtherPolicy(policy)), [])));
    steps.push(await timed('taken over by a new process', () => again.apply(policy, [])));
    return steps;
  } finally {
    writer.close();
    again.close();
    for (const map of Object.values(maps)) map.close();
  }
}

async function timed(step: string, work: () => Promise<PolicyTableChange>): Promise<LoadStep> {
  const started = performance.now();
  const { rows, ipcache } = await work();
  const milliseconds = performance.now() - started;
  return { step, rows: rows.written, prefixes: ipcache.written, milliseconds, resident: Math.round(memoryUsage().rss / 2 ** 20) };
}

/** The first policy under another number. */
function withOtherPolicy(policy: CompiledPolicy): CompiledPolicy {
  const [first] = policy.rows.keys();
  const number = Math.max(...policy.rows.keys()) + 1;
  const rows = new Map([...policy.rows].map(([key, value]) => (key === first ? [number, [...value]] : [key, value])));
  const subjects = policy.subjects.map((subject) => (subject.policy === first ? { ...subject, policy: number } : subject));
  return { ...policy, rows, subjects };
}

function withOtherPod(policy: CompiledPolicy): CompiledPolicy {
  return { ...policy, ipcache: [...policy.ipcache, { prefix: '10.200.0.1/32', identity: policy.subjects[0]?.identity ?? 0 }] };
}
