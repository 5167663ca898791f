import { expect, test } from 'vitest';
import { formatMarkdown, formatReport, timeText } from './report.ts';

const machine = { kernel: '6.18', processor: 'X', processors: 2, memory: 8, node: 'v20', clang: null, load: 0.1 };
const results = [{ name: 'do a thing', median: 1234, p99: 2_500_000, samples: 100 }];

test('timeText() chooses the unit that leaves three digits', () => {
  expect([12.34, 999, 1234, 12_345_678].map(timeText)).toEqual(['12.3 ns', '999 ns', '1.23 µs', '12.3 ms']);
});

test('formatReport() and formatMarkdown() say what was done, how long it took, and how often a second that is', () => {
  expect(formatReport({ machine, results })).toMatch(/^do a thing +1\.23 µs +2\.50 ms +810,373$/m);
  expect(formatMarkdown({ machine, results })).toContain('| do a thing | 1.23 µs | 2.50 ms | 810,373 |');
});
