import { exitCodes, UserError } from '../../base/errors.ts';
import { findExecutable } from '../machine.ts';
import { requiredTools, toolEnvironment } from './tools.ts';

/**
 * Refuses a machine that lacks a program which every pod needs, before anything is made.
 * @throws UserError MACHINE_MISSING_PROGRAM, with exit code 3
 */
export function checkTools(): void {
  for (const [tool, debianPackage] of Object.entries(requiredTools)) {
    if (findExecutable(tool, toolEnvironment.PATH) !== null) continue;
    throw new UserError(
      'MACHINE_MISSING_PROGRAM',
      `Cannot run a lab because the program ${tool} is missing: not in ${toolEnvironment.PATH ?? ''}`,
      {
        cure: `Install the package ${debianPackage}.`,
        command: `apt-get install ${debianPackage}`,
        exitCode: exitCodes.machine,
      },
    );
  }
}
