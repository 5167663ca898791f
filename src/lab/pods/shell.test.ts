import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shellQuote } from './shell.ts';

test('shellQuote() gives the shell back the very words, whatever is in them', () => {
  const word = fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => !text.includes('\0') && Buffer.from(text).toString() === text);
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
      const script = `printf '%s\\0' ${words.map(shellQuote).join(' ')}`;
      const { stdout } = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' });
      expect(stdout.split('\0').slice(0, -1)).toEqual(words);
    }),
    { numRuns: 30 },
  );
});

test('shellQuote() throws RangeError when the word has NUL', () => {
  expect(() => shellQuote('a\0b')).toThrow(RangeError);
});
