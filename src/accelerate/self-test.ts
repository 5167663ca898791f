import { PodFlags } from '../abi/gen/index.ts';
import { Cleanup } from '../base/cleanup.ts';
import type { NetnsHandle } from '../kernel/index.ts';
import { openNetns } from '../kernel/index.ts';
import { redirectAnnotations, redirectConfigFromAnnotations } from '../pods/annotations.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import { viewNetns } from '../redirect/ebpf/netns-view.ts';
import type { PodTables } from '../redirect/ebpf/tables.ts';
import { compileTables } from '../redirect/ebpf/tables.ts';
import type { SelfTestResult } from './report.ts';
import { judge, parseChecks } from './report.ts';
import { withTestProgram } from './test-program.ts';

/** What the self-test needs of an agent. */
export interface TestedNode {
  readonly plane: DataPlane;
  /** The cgroup v2 directory of the pods, to which the programs are attached. */
  readonly cgroup: string;
  /** Runs what changes the tables between two changes of others. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** Where the program listens (self-test/pair.c). */
const port = 7000;

/**
 * Tries acceleration on this very kernel, with the programs that are loaded: two pods joined by a link, whose sockets alone may join while the
 * data plane says `self-test`. They are released again, and nothing of them is counted. What cannot be tried counts as failed. About 0.3 s.
 * @throws the abort reason
 */
export async function runSelfTest(node: TestedNode, signal: AbortSignal): Promise<SelfTestResult> {
  const started = performance.now();
  const elapsed = (): number => Math.round(performance.now() - started);
  try {
    const { text, problem } = await withTestProgram(node.cgroup, signal, async ({ netns, run }) => {
      await using cleanup = new Cleanup();
      for (const [index, path] of netns.entries()) {
        const handle = cleanup.use(openNetns(path));
        cleanup.defer(() => node.inTurn(() => forget(node.plane, handle.cookie)));
        await node.inTurn(() => node.plane.enrol(handle, tablesOf(handle, index === 0 ? 'client' : 'server')));
      }
      // awaited here: the pods are released when this block ends
      return await run();
    });
    return judge(parseChecks(text), problem, elapsed());
  } catch (error) {
    signal.throwIfAborted();
    return judge([], error instanceof Error ? error.message : String(error), elapsed());
  }
}

/** An application whose owner says that it may be accelerated, without a proxy. */
function tablesOf(netns: NetnsHandle, role: string): PodTables {
  const name = `self-test/${role}`;
  const facts = {
    ...viewNetns(netns),
    name,
    cookie: netns.cookie,
    backend: 'sk_lookup',
    meshed: false,
    uidMap: null,
    spread6: false,
  } as const;
  const tables = compileTables(facts, redirectConfigFromAnnotations(name, { [redirectAnnotations.accelerate]: 'true' }));
  return { ...tables, pod: { ...tables.pod, flags: tables.pod.flags | PodFlags.SELF_TEST } };
}

async function forget(plane: DataPlane, cookie: bigint): Promise<void> {
  await plane.release(cookie);
  // learned by the programs of every listener; the table forgets what is oldest, but nothing of ours shall be in it
  plane.maps.readers.delete({ cookie, port });
}
