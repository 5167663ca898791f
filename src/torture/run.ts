import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Cleanup } from '../base/cleanup.ts';
import { exitCodes, UserError } from '../base/errors.ts';
import { removeLeftovers } from '../conformance/leftovers.ts';
import { createScratchNode } from '../conformance/scratch-node.ts';
import { applicationCases } from './applications.ts';
import { nativeCases } from './native.ts';
import { createTorturePods } from './pods.ts';
import { ServerPool } from './process.ts';
import { programCases } from './programs.ts';
import type { TortureOptions, TortureResult } from './rounds.ts';
import { Torture } from './rounds.ts';
import type { TortureCase } from './types.ts';

const leftoverPrefix = 'millrace-torture-';

/**
 * Makes pods of its own and runs cases by every route, each on plain TCP and accelerated with the same seed, until the duration is over.
 * Whatever happens, nothing stays behind.
 * @throws UserError USAGE where no case has such a name; the abort reason
 */
export async function runTorture(options: TortureOptions): Promise<TortureResult> {
  await removeLeftovers(leftoverPrefix);
  // every program that runs listens to it
  setMaxListeners(0, options.signal);
  await using cleanup = new Cleanup();
  try {
    const files = await makeFolder(cleanup);
    const node = cleanup.use(
      await createScratchNode(`${leftoverPrefix}${process.pid}`, options.naive || options.facts ? 'millrace-naive' : undefined),
    );
    const pods = cleanup.use(await createTorturePods(node.plane, options.signal));
    const servers = cleanup.use(new ServerPool());
    const all = [...(await nativeCases(options.signal)), ...applicationCases(servers), ...programCases(files, servers)];
    return await new Torture(options, node.plane, pods).run(selected(all, options.cases));
  } catch (error) {
    // A Ctrl-C ends the programs that we had started too: their failure is not the news.
    await setImmediate();
    options.signal.throwIfAborted();
    throw error;
  }
}

async function makeFolder(cleanup: Cleanup): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `${leftoverPrefix}${process.pid}-files-`));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function selected(all: readonly TortureCase[], names: readonly string[]): readonly TortureCase[] {
  if (names.length === 0) return all;
  const found = all.filter(({ name }) =>
    names.some((wanted) => name === wanted || (name.includes(wanted) && !all.some((one) => one.name === wanted))),
  );
  if (found.length > 0) return found;
  throw new UserError('USAGE', `Cannot run the torture suite because no case has such a name: ${names.join(', ')}`, {
    cure: `Give a name, or a part of one: ${all.map(({ name }) => name).join(', ')}.`,
    exitCode: exitCodes.usage,
  });
}
