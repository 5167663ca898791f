import { exitCodes } from '../base/errors.ts';
import type { ProbeResult } from '../kernel/index.ts';
import { defineCommand } from './command.ts';
import type { ProgramReport } from './doctor-programs.ts';
import { formatTable, outputOption, printValue } from './print.ts';

/** One thing that Millrace needs of the machine, and what was found. */
export interface Finding {
  readonly name: string;
  readonly kind: 'kernel' | 'program';
  readonly answer: 'yes' | 'no' | 'unknown';
  /** A version, a path, or why it could not be told; empty where there is nothing to add. */
  readonly detail: string;
  readonly required: boolean;
  /** What does not work without it. */
  readonly cost: string;
  readonly cure: string;
}

/** The kernel's answers and the programs as one list, in the order of asking. Pure. */
export function findingsOf(probes: readonly ProbeResult[], programs: readonly ProgramReport[]): readonly Finding[] {
  // Where both looked for the same program, the second look knows its version too.
  const known = new Set(programs.map(({ name }) => name));
  return [
    ...probes
      .filter(({ name }) => !known.has(name))
      .map(({ name, answer, required, cost, cure }): Finding => {
        return {
          name,
          kind: 'kernel',
          answer: answer.kind,
          detail: answer.kind === 'unknown' ? answer.why : '',
          required,
          cost,
          cure: answer.kind === 'no' ? answer.cure : cure,
        };
      }),
    ...programs.map(({ name, path, version, required, costs, cure }): Finding => {
      const detail = path === null ? '' : [version, path].filter((part) => part !== null).join(', ');
      return { name, kind: 'program', answer: path === null ? 'no' : 'yes', detail, required, cost: costs, cure };
    }),
  ];
}

/** The findings for a reader: what is missing says what it costs and how to get it, what is there stays short. Pure. */
export function doctorTable(findings: readonly Finding[]): string {
  const table = formatTable(findings, [
    { title: 'WHAT', value: ({ name }) => name },
    { title: 'ANSWER', value: ({ answer }) => (answer === 'unknown' ? 'could not tell' : answer) },
    { title: 'DETAIL', value: ({ detail }) => detail },
    { title: 'NEEDED', value: ({ required }) => (required ? 'yes' : 'no') },
    { title: 'WITHOUT IT', value: ({ answer, cost }) => (answer === 'yes' ? '' : cost) },
    { title: 'CURE', value: ({ answer, cure }) => (answer === 'yes' ? '' : cure) },
  ]);
  const missing = findings.filter(isMissing).map(({ name }) => name);
  const verdict =
    missing.length === 0 ? 'This machine has everything that is required.' : `This machine lacks what is required: ${missing.join(', ')}.`;
  return `${table}\n${verdict}\n`;
}

function isMissing({ required, answer }: Finding): boolean {
  return required && answer === 'no';
}

/** `millrace doctor`: what the machine can do, what each missing thing costs, and the cure. */
export const doctor = defineCommand({
  description:
    'Asks the kernel by trying, not by its version; touches nothing that is not its own. The exit code is 3 where something is missing that Millrace cannot do without.',
  arguments: {},
  options: { output: outputOption },
  run: async ({ options, stdout, env, signal }) => {
    const [{ runProbes }, { findPrograms }] = await Promise.all([import('../kernel/index.ts'), import('./doctor-programs.ts')]);
    const findings = findingsOf(await runProbes({ environment: env, signal }), await findPrograms(env, signal));
    await printValue(stdout, options.output, findings, () => doctorTable(findings));
    return findings.some(isMissing) ? exitCodes.machine : exitCodes.done;
  },
});
