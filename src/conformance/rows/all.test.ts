import { describe, expect, it } from 'vitest';
import { corrections } from '../corrections.ts';
import { deviations } from '../deviations.ts';
import { namesRow } from '../judge.ts';
import { allRows } from './all.ts';

/** How many rows each table of the contract has. */
const contract = { OUT: 31, FIL: 15, IN: 21, V6: 10, DNS: 20, ID: 7, SOC: 10 } as const;

describe('allRows', () => {
  const ids = allRows.map(({ id }) => id);

  it('has every id once', () => {
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  it.each(Object.entries(contract))('has all rows of %s that the contract has', (prefix, count) => {
    const wanted = Array.from({ length: count }, (_, index) => `${prefix}-${String(index + 1).padStart(2, '0')}`);
    expect(wanted.filter((id) => !ids.some((own) => own === id || own.startsWith(`${id}/`)))).toEqual([]);
  });

  it('expects something of every row', () => {
    expect(allRows.filter(({ expected }) => Object.keys(expected).length === 0)).toEqual([]);
  });
});

describe('deviations and corrections', () => {
  it.each([...deviations, ...corrections].flatMap(({ rows }) => rows))('name a row that exists: %s', (listed) => {
    expect(allRows.some(({ id }) => namesRow(listed, id))).toBe(true);
  });

  it('say something else than the contract', () => {
    const empty = deviations.flatMap((deviation) => {
      const rows = allRows.filter(({ id }) => deviation.rows.some((listed) => namesRow(listed, id)));
      return rows
        .filter(({ expected }) => Object.entries(deviation.seen).every(([field, value]) => expected[field] === value))
        .map(({ id }) => id);
    });
    expect(empty).toEqual([]);
  });

  it('concern only what the rows look at', () => {
    const blind = deviations.flatMap((deviation) => {
      const rows = allRows.filter(({ id }) => deviation.rows.some((listed) => namesRow(listed, id)));
      return rows.flatMap(({ id, expected }) =>
        Object.keys(deviation.seen)
          .filter((field) => !(field in expected))
          .map((field) => `${id} ${field}`),
      );
    });
    expect(blind).toEqual([]);
  });

  it('give a reason and an effect', () => {
    expect(deviations.filter(({ reason, effect }) => !/\.$/.test(reason) || !/\.$/.test(effect))).toEqual([]);
  });
});
