import { describe, expect, it } from 'vitest';
import { parseSeconds } from './duration.ts';
import { expected, seedOf, stepsOf } from './plan.ts';
import type { Expectation, TortureCase } from './types.ts';

const torture = (name: string, direct: Expectation): TortureCase => ({
  name,
  summary: '',
  direct,
  proxied: 'must',
  heavy: false,
  missing: null,
  run: () => Promise.resolve({ lines: [], failed: false, measures: {} }),
});

const texts = (direct: Expectation): readonly string[] =>
  stepsOf([torture('x', direct)], 0).map(({ route, family }) => `${route} ${family}`);

describe('stepsOf()', () => {
  it('sends a case by all routes that pair applications or proxies, in both families', () => {
    expect(texts('must')).toEqual(['direct 4', 'direct 6', 'proxied 4', 'proxied 6', 'proxied-all 4', 'proxied-all 6']);
  });

  it('runs whole programs in one family in a round, and in the other one in the next', () => {
    const heavy = { ...torture('x', 'must'), heavy: true };
    const families = (round: number): readonly number[] => stepsOf([heavy], round).map(({ family }) => family);
    expect(families(0)).toEqual([4, 6, 4]);
    expect(families(1)).toEqual([6, 4, 6]);
  });

  it('keeps applications that the sockmap would mislead out of pods that ask for their acceleration', () => {
    expect(texts('never')).toEqual(['direct-unannotated 4', 'direct-unannotated 6', 'proxied 4', 'proxied 6']);
  });
});

describe('expected()', () => {
  it('is about the applications where they are paired, and about the proxies where these are', () => {
    expect(expected(torture('x', 'never'), 'direct-unannotated')).toBe('never');
    expect(expected(torture('x', 'never'), 'proxied')).toBe('must');
    expect(expected(torture('x', 'may'), 'direct')).toBe('may');
  });
});

describe('seedOf()', () => {
  const [step, other] = stepsOf([torture('x', 'must'), torture('y', 'must')], 0);
  if (step === undefined || other === undefined) throw new Error('a case has steps');

  it('is the same for the same step, and another one for each seed, round and route', () => {
    expect(seedOf(1, 0, step)).toBe(seedOf(1, 0, step));
    const seeds = [seedOf(1, 0, step), seedOf(2, 0, step), seedOf(1, 1, step), seedOf(1, 0, other)];
    expect(new Set(seeds).size).toBe(4);
  });
});

describe('parseSeconds()', () => {
  it.each([
    ['500ms', 0.5],
    ['60s', 60],
    ['10m', 600],
    ['1.5h', 5400],
  ])('reads %s', (text, seconds) => {
    expect(parseSeconds(text)).toBe(seconds);
  });

  it.each(['60', 's', '-1s', '1 s', '1d', ''])('refuses %j', (text) => {
    expect(() => parseSeconds(text)).toThrow('Cannot read a duration');
  });
});
