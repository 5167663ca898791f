import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ended } from './run-process.ts';
import type { TestLab } from './test-lab.ts';

/** Requests of one kind. */
export interface LoadTarget {
  readonly name: string;
  readonly url: string;
  /** At most; fewer on a machine that answers too slowly. */
  readonly perSecond: number;
  /** Reused, or made anew for each request. */
  readonly connections: 'kept' | 'new';
}

export interface LoadReport {
  readonly sent: number;
  /** Answers by their status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests without an answer, by errno. */
  readonly errors: Readonly<Record<string, number>>;
  /** Answers of an OutsideServer to connections that no proxy stood in; 0 for other servers. New connections only. */
  readonly direct: number;
  readonly slowestMs: number;
}

/** Requests that go on until they are stopped. */
export interface Load {
  /** Waits for the answers that are due. By the target's name. */
  stop(): Promise<Readonly<Record<string, LoadReport>>>;
}

/** Starts requests out of a pod that has node, which pods of the image httpbin do. */
export async function startLoad(lab: TestLab, pod: string, targets: readonly LoadTarget[]): Promise<Load> {
  // The pod sees neither /tmp nor a home folder, where the project may be: the script travels on the command line.
  const script = readFileSync(fileURLToPath(new URL('load-client.mjs', import.meta.url)), 'utf8');
  const child = await lab.start(pod, ['node', '--input-type=module', '-e', script, '--', JSON.stringify(targets)]);
  const result = ended(child);
  if (child.stdout === null) throw new Error('the load has no output');
  await Promise.race([
    once(child.stdout, 'data'),
    result.then(({ stderr }) => Promise.reject(new Error(`the load did not start: ${stderr}`))),
  ]);
  return {
    stop: async () => {
      child.stdin?.end();
      const { status, stdout, stderr } = await result;
      if (status !== 0) throw new Error(`the load ended with ${status}: ${stderr}`);
      const reports: Readonly<Record<string, LoadReport>> = JSON.parse(stdout.slice(stdout.indexOf('\n') + 1));
      return reports;
    },
  };
}

/** What must hold where nothing may fail: every request was answered with 200. */
export function onlySuccesses(report: LoadReport | undefined): Pick<LoadReport, 'statuses' | 'errors'> {
  return { statuses: { 200: report?.sent ?? 0 }, errors: {} };
}
