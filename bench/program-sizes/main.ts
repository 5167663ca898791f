import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { argv, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { exitCodes } from '../../src/base/errors.ts';
import { bpfObjectPath, projectRoot } from '../../src/base/project.ts';
import { formatTable } from '../../src/cli/print.ts';
import { clangVersion } from '../support/machine.ts';
import { runMain } from '../support/main-program.ts';
import type { Ledger } from './ledger.ts';
import { counterOf, formatGrowth, incomparable, misfits, nextLedger, parseLedger, unacknowledged } from './ledger.ts';
import { measureSizes } from './measure.ts';

const usage = `npm run ledger -- [--write [--because TEXT]]

What every program costs the kernel's verifier, beside what docs/program-sizes.json says. Exits with 1 when one grew by more than a tenth.
  --write          write the ledger; growth of more than a tenth needs a reason
  --because TEXT   the reason
`;

await runMain(async () => {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      write: { type: 'boolean', default: false },
      because: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    stdout.write(usage);
    return exitCodes.done;
  }
  const path = join(projectRoot(), 'docs', 'program-sizes.json');
  const ledger = existsSync(path) ? parseLedger(readFileSync(path, 'utf8')) : null;
  const counter = counterOf(release(), clangVersion());
  const sizes = await measureSizes(readFileSync(bpfObjectPath()));
  const before = (program: string) => ledger?.programs[program]?.verified.toString() ?? 'new';
  stdout.write(
    formatTable(Object.entries(sizes), [
      { title: 'PROGRAM', value: ([program]) => program },
      { title: 'LEDGER', value: ([program]) => before(program), align: 'right' },
      { title: 'VERIFIED', value: ([, { verified }]) => String(verified), align: 'right' },
      { title: 'TRANSLATED', value: ([, { translated }]) => String(translated), align: 'right' },
    ]),
  );
  const problems = ledger === null ? ['there is no ledger yet'] : problemsOf(ledger, counter, sizes);
  for (const problem of problems) stderr.write(`${problem}\n`);
  const grown = ledger !== null && incomparable(ledger, counter) === null && unacknowledged(ledger, sizes).length > 0;
  if (!values.write) return problems.length > 0 ? exitCodes.failed : exitCodes.done;
  if (grown && values.because === undefined) return exitCodes.failed;
  writeFileSync(path, `${JSON.stringify(nextLedger(ledger, counter, sizes, values.because ?? null), null, 2)}\n`);
  stdout.write(`wrote ${path}\n`);
  return exitCodes.done;
});

function problemsOf(
  ledger: Ledger,
  counter: ReturnType<typeof counterOf>,
  sizes: Awaited<ReturnType<typeof measureSizes>>,
): readonly string[] {
  const why = incomparable(ledger, counter);
  if (why !== null) stderr.write(`${why}\n`);
  const growth = why === null ? unacknowledged(ledger, sizes) : [];
  return [...misfits(ledger, sizes), ...(growth.length > 0 ? [formatGrowth(growth)] : [])];
}
