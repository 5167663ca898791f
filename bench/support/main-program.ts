import process from 'node:process';
import { exitCodes, UserError } from '../../src/base/errors.ts';

/**
 * Runs what a benchmark does and leaves its answer as the exit code. What the user can mend is said in two lines; anything else shows its
 * stack.
 */
export async function runMain(work: () => Promise<number>): Promise<void> {
  try {
    if (process.geteuid?.() !== 0) {
      throw new UserError('MACHINE_NOT_ROOT', 'Cannot measure because namespaces and programs need root: current user is not root', {
        cure: 'Run it as root.',
        exitCode: exitCodes.machine,
      });
    }
    process.exitCode = await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`${error.message}\n${error.cure}\n`);
    process.exitCode = error.exitCode;
  }
}
