import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIdMap, toOutsideId, translateIds } from './ids.ts';
import { isDnsLabel, isDnsSubdomain, validatePodName } from './name.ts';

describe('id maps', () => {
  it('translateIds() leaves ids alone when the pod has no user namespace', () => {
    expect(translateIds(null, [0, 1337])).toEqual([0, 1337]);
  });

  it.each([
    ['         0     200000      65536\n', [1337], [201337]],
    ['0 200000 1000\n1337 5000 1\n', [0, 999, 1000, 1337], [200000, 200999, 5000]],
    ['0 0 4294967295\n', [0, 4294967294], [0, 4294967294]],
    ['\t0\t1000\t1 \n', [0, 1], [1000]],
    ['', [0], []],
  ])('translateIds() reads the map %j', (text, inside, outside) => {
    expect(translateIds(text, inside)).toEqual(outside);
  });

  it.each([
    ['0 1\n', 'three whole numbers'],
    ['0 1 2 3\n', 'three whole numbers'],
    ['a b c\n', 'three whole numbers'],
    ['-1 0 1\n', 'three whole numbers'],
    ['0 0 1.5\n', 'three whole numbers'],
    ['0 0 0\n', 'maps no ids'],
    ['0 0 4294967296\n', 'past id 4294967294'],
    ['0 4294967295 1\n', 'past id 4294967294'],
    ['0 100 10\n5 200 10\n', 'overlap in their ids inside'],
    ['0 100 10\n50 105 10\n', 'overlap in their ids outside'],
    [Array.from({ length: 341 }, (_, line) => `${line} ${line} 1`).join('\n'), 'more than 340 lines'],
  ])('parseIdMap() refuses %j', (text, message) => {
    expect(() => parseIdMap(text)).toThrow(expect.objectContaining({ code: 'ID_MAP_INVALID', message: expect.stringContaining(message) }));
  });

  it('toOutsideId() keeps distances within a range and knows nothing outside it', () => {
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.nat(1_000_000),
        fc.integer({ min: 1, max: 100_000 }),
        fc.nat(2_000_000),
        (inside, outside, count, id) => {
          const expected = id >= inside && id < inside + count ? outside + id - inside : null;
          expect(toOutsideId(parseIdMap(`${inside} ${outside} ${count}`), id)).toBe(expected);
        },
      ),
    );
  });
});

describe('names', () => {
  it('validatePodName() takes a bare name and one with a namespace', () => {
    expect(validatePodName('sleep-7d.x')).toEqual({ namespace: null, name: 'sleep-7d.x' });
    expect(validatePodName('demo/sleep')).toEqual({ namespace: 'demo', name: 'sleep' });
  });

  it.each([
    '',
    '/',
    'demo/',
    '/x',
    'a/b/c',
    '.',
    '..',
    'a..b',
    '../x',
    'A',
    'a_b',
    'a\n',
    'a\0',
    '-a',
    'a-',
    'a b',
    'd.e/x',
    'a'.repeat(254),
    `${'n'.repeat(64)}/x`,
    'ä',
  ])('validatePodName() refuses %j', (name) => {
    expect(() => validatePodName(name)).toThrow(expect.objectContaining({ code: 'POD_NAME_INVALID' }));
  });

  it('isDnsSubdomain() holds for labels joined by dots', () => {
    const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), (parts) => isDnsSubdomain(parts.join('.')) && parts.every(isDnsLabel)),
    );
  });
});
