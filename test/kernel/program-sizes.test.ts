import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  counterOf,
  formatGrowth,
  incomparable,
  misfits,
  parseLedger,
  unacknowledged,
  verifierLimit,
} from '../../bench/program-sizes/ledger.ts';
import type { ProgramSize } from '../../bench/program-sizes/measure.ts';
import { measureSizes } from '../../bench/program-sizes/measure.ts';
import { clangVersion } from '../../bench/support/machine.ts';
import { bpfObjectPath, projectRoot } from '../../src/base/project.ts';

const ledger = parseLedger(readFileSync(join(projectRoot(), 'docs/program-sizes.json'), 'utf8'));
let sizes: Readonly<Record<string, ProgramSize>>;

beforeAll(async () => {
  sizes = await measureSizes(readFileSync(bpfObjectPath()));
});

describe('docs/program-sizes.json', () => {
  it('lists every program, each far below what the verifier walks', () => {
    expect(misfits(ledger, sizes), 'npm run ledger -- --write').toEqual([]);
    for (const [program, { translated, verified }] of Object.entries(sizes)) {
      expect(translated, program).toBeGreaterThan(0);
      expect(verified, program).toBeLessThan(verifierLimit / 10);
    }
  });

  it('acknowledges every growth of more than a tenth', () => {
    const why = incomparable(ledger, counterOf(release(), clangVersion()));
    if (why !== null) {
      process.stderr.write(`${why}\n`);
      return;
    }
    const growth = unacknowledged(ledger, sizes);
    expect(growth, formatGrowth(growth)).toEqual([]);
  });
});
