import type { CompiledPrograms } from '../../src/bench/compile.ts';
import { formatTable } from '../../src/cli/print.ts';
import { closeFd, enableStats, objectIds, openById, Program } from '../../src/kernel/index.ts';
import type { Configuration, Family } from './configurations.ts';
import type { Layout } from './measure.ts';
import { runOnce } from './measure.ts';

/** What one program cost. */
interface ProgramCost {
  readonly name: string;
  readonly runsPerConnection: number;
  readonly nanosecondsPerConnection: number;
}

/**
 * Where the time of our programs goes: the kernel counts their runs and times them (about 20 ns more per run, so it is a run of its own and
 * not one of those that are compared).
 */
export async function profile(
  configuration: Configuration,
  programs: CompiledPrograms,
  layout: Layout,
  family: Family,
  connections: number,
): Promise<string> {
  const stats = enableStats();
  try {
    const before = counters();
    const taken = await runOnce(configuration, programs, layout, family, connections);
    const costs = [...counters()].flatMap(([id, after]): ProgramCost[] => {
      const start = before.get(id) ?? { name: after.name, runs: 0n, time: 0n };
      const runs = Number(after.runs - start.runs);
      if (runs === 0) return [];
      // The connections of the warm-up ran too.
      const done = taken.length + Math.ceil(taken.length * 0.1);
      return [{ name: after.name, runsPerConnection: runs / done, nanosecondsPerConnection: Number(after.time - start.time) / done }];
    });
    return formatTable(
      [...costs].sort((a, b) => b.nanosecondsPerConnection - a.nanosecondsPerConnection),
      [
        { title: 'PROGRAM', value: ({ name }) => name },
        { title: 'RUNS', value: ({ runsPerConnection }) => runsPerConnection.toFixed(2), align: 'right' },
        { title: 'NS PER CONNECTION', value: ({ nanosecondsPerConnection }) => nanosecondsPerConnection.toFixed(0), align: 'right' },
      ],
    );
  } finally {
    closeFd(stats);
  }
}

/** Runs and nanoseconds of every program of ours that is loaded now, by id. */
function counters(): ReadonlyMap<number, { name: string; runs: bigint; time: bigint }> {
  const found = new Map<number, { name: string; runs: bigint; time: bigint }>();
  for (const id of objectIds('program')) {
    const fd = openById('program', id);
    try {
      const { name, runs, runTimeNanoseconds } = Program.borrow(fd, '').info();
      if (name.startsWith('mr_')) found.set(id, { name, runs, time: runTimeNanoseconds });
    } finally {
      closeFd(fd);
    }
  }
  return found;
}
