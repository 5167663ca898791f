import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Reporter, TestSpecification } from 'vitest/node';
import { processStartTime } from '../../src/lab/node/processes.ts';
import { goCommand, hubbleFolder, hubbleLock, isHubbleBuilt } from './hubble-cli.ts';

/** The tests that hold our output against that of the hubble command line. */
const users = /\/e2e\/(flows|hubble)\.test\.ts$/;

/**
 * Where a run has tests that need the hubble command line, begins at once to build it, at the least priority, so that it takes the time in which other
 * tests wait. Nothing depends on it: where it fails, those tests build it themselves and say why that fails.
 */
export class HubbleAhead implements Reporter {
  #child: ChildProcess | null = null;

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    if (isHubbleBuilt() || !specifications.some(({ moduleId }) => users.test(moduleId))) return;
    mkdirSync(hubbleFolder, { recursive: true });
    const steps = [
      ['mod', 'download', 'github.com/cilium/cilium'],
      ['build', '-trimpath', '-o', '/dev/null', '.'],
    ].map(goCommand);
    const script = steps.map(({ args }) => ['go', ...args].join(' ')).join(' && ');
    const child = spawn('nice', ['-n', '19', 'sh', '-c', script], {
      stdio: 'ignore',
      // a group of its own: who waits for it gives it more of the processors, who ends it ends the compilers too
      detached: true,
      env: { ...process.env, ...steps[0]?.env },
    });
    const forget = () => rmSync(hubbleLock, { force: true });
    child.once('error', forget).once('exit', forget);
    if (child.pid !== undefined) writeFileSync(hubbleLock, `${child.pid} ${processStartTime(child.pid) ?? '0'}\n`);
    this.#child = child;
  }

  onTestRunEnd(): void {
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL');
    this.#child = null;
  }
}
