import { z } from 'zod';
import type { ProgramSize } from './measure.ts';

const sizeSchema = z.strictObject({
  verified: z.int().nonnegative(),
  translated: z.int().nonnegative(),
  /** Why it grew by more than is let through in silence, the last time it did. */
  grewBecause: z.string().min(1).optional(),
});

const ledgerSchema = z.strictObject({
  /** Major and minor of the kernel that counted, `6.18`. */
  kernel: z.string(),
  /** Major of the compiler, `14`. */
  clang: z.string(),
  programs: z.record(z.string(), sizeSchema),
});

/** docs/program-sizes.json: what was measured when somebody last looked, and under which kernel and compiler. */
export type Ledger = z.infer<typeof ledgerSchema>;

/** What counted: counts of other kernels and compilers differ without any change of ours. */
export interface Counter {
  readonly kernel: string;
  readonly clang: string;
}

/** The most that the kernel's verifier walks (BPF_COMPLEXITY_LIMIT_INSNS). */
export const verifierLimit = 1_000_000;
/** Growth up to here needs no word. */
const silentGrowth = 1.1;

/** The ledger in a file's text. @throws ZodError, SyntaxError */
export function parseLedger(text: string): Ledger {
  return ledgerSchema.parse(JSON.parse(text));
}

/** `6.18.44-x` → `6.18` and `14.0.6` → `14`. */
export function counterOf(kernelRelease: string, clang: string | null): Counter {
  return { kernel: kernelRelease.split('.').slice(0, 2).join('.'), clang: clang?.split('.')[0] ?? 'none' };
}

/** Why these sizes cannot be held against the ledger's; null when they can. */
export function incomparable(ledger: Ledger, counter: Counter): string | null {
  if (ledger.kernel === counter.kernel && ledger.clang === counter.clang) return null;
  return `not compared: the ledger was written with Linux ${ledger.kernel} and clang ${ledger.clang}, this is Linux ${counter.kernel} and clang ${counter.clang}`;
}

/** A program that is bigger than the ledger lets it be. */
export interface Growth {
  readonly program: string;
  readonly before: number;
  readonly after: number;
}

/** The programs that the verifier walks more than a tenth longer than the ledger says. Pure; meant for sizes of the same counter. */
export function unacknowledged(ledger: Ledger, sizes: Readonly<Record<string, ProgramSize>>): readonly Growth[] {
  return Object.entries(sizes).flatMap(([program, { verified }]) => {
    const before = ledger.programs[program]?.verified;
    return before !== undefined && verified > before * silentGrowth ? [{ program, before, after: verified }] : [];
  });
}

/** What is wrong whatever counted: programs missing from the ledger, entries without a program, programs near the limit. */
export function misfits(ledger: Ledger, sizes: Readonly<Record<string, ProgramSize>>): readonly string[] {
  const missing = Object.keys(sizes).filter((program) => ledger.programs[program] === undefined);
  const gone = Object.keys(ledger.programs).filter((program) => sizes[program] === undefined);
  const over = Object.entries(sizes).filter(([, { verified }]) => verified >= verifierLimit);
  return [
    ...missing.map((program) => `${program} is not in the ledger`),
    ...gone.map((program) => `${program} is in the ledger and not in the object`),
    ...over.map(([program, { verified }]) => `${program} takes the verifier ${verified} instructions, which it may not`),
  ];
}

/** One line for each program that grew, and how to acknowledge it. */
export function formatGrowth(growth: readonly Growth[]): string {
  const lines = growth.map(
    ({ program, before, after }) =>
      `${program}: ${before} → ${after} verified instructions (+${((after / before - 1) * 100).toFixed(0)} %)`,
  );
  return [...lines, 'Make it smaller, or acknowledge it: npm run ledger -- --write --because "WHY IT GREW"'].join('\n');
}

/** The next ledger. `because` is kept with every program that grew by more than a tenth; older reasons stay until the next one. */
export function nextLedger(
  ledger: Ledger | null,
  counter: Counter,
  sizes: Readonly<Record<string, ProgramSize>>,
  because: string | null,
): Ledger {
  const same = ledger !== null && incomparable(ledger, counter) === null;
  const grown = new Set(same ? unacknowledged(ledger, sizes).map(({ program }) => program) : []);
  const programs = Object.entries(sizes).map(([program, size]): [string, Ledger['programs'][string]] => {
    const reason = grown.has(program) ? because : (ledger?.programs[program]?.grewBecause ?? null);
    return [program, { ...size, ...(reason === null ? {} : { grewBecause: reason }) }];
  });
  return { ...counter, programs: Object.fromEntries(programs) };
}
