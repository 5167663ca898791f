import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../base/project.ts';
import { createCgroup, killCgroup, removeCgroup } from '../kernel/index.ts';

/** How the program ended: everything that it wrote, and why that is not to be trusted, or null. */
export interface Ended {
  readonly text: string;
  readonly problem: string | null;
}

/** The program that holds the test's two pods and makes their connections. It has moved into a cgroup of its own and waits. */
export interface TestProgram {
  /** Paths of the pods' network namespaces: client, server. */
  readonly netns: readonly [string, string];
  /** Lets it make its connections and waits for the end. */
  run(): Promise<Ended>;
}

/** Milliseconds after which it is killed: on a kernel where checks hang, each gives up after two seconds. */
const patienceMs = 20_000;

/** The test's own cgroup, below that of the pods, so that our programs see its sockets. */
function cgroupOf(podsCgroup: string): string {
  return join(podsCgroup, 'millrace-self-test');
}

/** Removes what a test left that was killed together with its agent: its cgroup. Its namespaces have ended with its process. */
export async function removeTestLeftovers(podsCgroup: string): Promise<void> {
  const cgroup = cgroupOf(podsCgroup);
  if (!existsSync(cgroup)) return;
  await killCgroup(cgroup);
  removeCgroup(cgroup);
}

/**
 * Starts the program and calls `use` when its pods are made; whatever happens, nothing of it remains. It ends with this process, too.
 * @throws Error in words where it does not become ready; the abort reason
 */
export async function withTestProgram<T>(
  podsCgroup: string,
  signal: AbortSignal,
  use: (program: TestProgram) => Promise<T>,
  path: string = join(projectRoot(), 'dist', 'self-test'),
): Promise<T> {
  signal.throwIfAborted();
  await removeTestLeftovers(podsCgroup);
  const cgroup = createCgroup(cgroupOf(podsCgroup));
  const child = spawn(path, [cgroup], { stdio: 'pipe', signal, killSignal: 'SIGKILL' });
  const output = { stdout: '', stderr: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  // it may be dead before it reads
  child.stdin.on('error', () => undefined);
  const failed = new Promise<string>((resolve) => child.once('error', (error) => resolve(error.message)));
  const closed: Promise<string | null> = Promise.race([
    failed,
    once(child, 'close').then(([code, name]: unknown[]) => {
      if (code === 0) return null;
      return output.stderr.trim() || `it ended with ${name === null ? `exit code ${String(code)}` : `signal ${String(name)}`}`;
    }),
  ]);
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  try {
    const lines = createInterface({ input: child.stdout });
    const greeting = new Promise<string>((resolve) => lines.once('line', resolve));
    lines.on('line', (line) => (output.stdout += `${line}\n`));
    const first = await Promise.race([greeting, closed.then((problem) => new Error(problem ?? 'it ended before it had begun'))]);
    signal.throwIfAborted();
    if (first instanceof Error) throw first;
    const [, client, server] = first.split('\t');
    const inside = (fd: string | undefined): string => `/proc/${child.pid}/fd/${fd}`;
    return await use({
      netns: [inside(client), inside(server)],
      run: async () => {
        child.stdin.end('\n');
        const problem = await closed;
        signal.throwIfAborted();
        return { text: output.stdout, problem };
      },
    });
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
    await closed;
    await removeTestLeftovers(podsCgroup);
  }
}
