import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { outputOption, printRows } from './print.ts';

/** `millrace doctor`: what the machine can do, what each missing thing costs, and the cure. */
export const doctor = defineCommand({
  description:
    'Asks the kernel by trying, not by its version. The exit code is 3 where something is missing that Millrace cannot do without.',
  arguments: {},
  options: { output: outputOption },
  run: async ({ options, stdout, env, signal }) => {
    const { findPrograms } = await import('./doctor-programs.ts');
    const programs = await findPrograms(env, signal);
    await printRows(stdout, options.output, programs, [
      { title: 'WHAT', value: (row) => row.name },
      { title: 'FOUND', value: (row) => (row.path === null ? 'no' : `yes, ${row.version ?? 'version unknown'}`) },
      { title: 'WITHOUT IT', value: (row) => row.costs },
      { title: 'CURE', value: (row) => (row.path === null ? row.cure : '') },
    ]);
    return programs.some((row) => row.required && row.path === null) ? exitCodes.machine : exitCodes.done;
  },
});
