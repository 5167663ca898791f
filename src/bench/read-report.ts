import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { UserError } from '../base/errors.ts';
import type { BenchReport } from './types.ts';

/** Enough to tell our own reports from anything else. */
const mark = z.object({
  report: z.object({ kind: z.literal('millrace bench'), scenarios: z.array(z.object({})), streams: z.array(z.object({})) }),
});

/** Reads what `-o json` printed. @throws UserError FILE_UNREADABLE, BENCH_REPORT_INVALID */
export function readReport(path: string): BenchReport {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UserError('FILE_UNREADABLE', `Cannot read the report because the file does not open: ${path}`, {
      cure: 'Check the path.',
      cause,
    });
  }
  try {
    mark.parse(JSON.parse(text));
  } catch (cause) {
    throw new UserError('BENCH_REPORT_INVALID', `Cannot use the file because it is no report of a benchmark: ${path}`, {
      cure: 'Name a file that millrace bench -o json --save FILE has written.',
      cause,
    });
  }
  // The mark says that we wrote it, and what we wrote has this shape.
  return (JSON.parse(text) as { readonly report: BenchReport }).report;
}
