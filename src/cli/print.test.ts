import { describe, expect, it } from 'vitest';
import { formatTable, toJson } from './print.ts';

const columns = [
  { title: 'NAME', value: (row: { name: string; count: number }) => row.name },
  { title: 'COUNT', value: (row: { name: string; count: number }) => String(row.count), align: 'right' },
] as const;

describe('formatTable()', () => {
  it('lets no cell speak to the terminal or begin a line', () => {
    expect(formatTable([{ name: 'a\u001b[31m\nb\u009b2J', count: 1 }], columns)).toBe(
      'NAME                   COUNT\na\\x1b[31m\\x0ab\\x9b2J       1\n',
    );
  });

  it('makes each column as wide as its widest cell', () => {
    expect(
      formatTable(
        [
          { name: 'a-long-name', count: 7 },
          { name: 'β', count: 12345678 },
        ],
        columns,
      ),
    ).toBe('NAME             COUNT\na-long-name          7\nβ             12345678\n');
  });

  it('prints only the titles when there are no rows', () => {
    expect(formatTable([], columns)).toBe('NAME   COUNT\n');
  });

  it('leaves no spaces at the end of a line', () => {
    const rows = [{ a: 'x', b: '' }];
    expect(
      formatTable(rows, [
        { title: 'A', value: (row) => row.a },
        { title: 'LONG', value: (row) => row.b },
      ]),
    ).toBe('A   LONG\nx\n');
  });
});

describe('toJson()', () => {
  it('writes 64-bit numbers as decimal strings', () => {
    expect(JSON.parse(toJson({ cookie: 2n ** 63n }))).toEqual({ cookie: '9223372036854775808' });
  });
});
