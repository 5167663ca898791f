import { describe, expect, it } from 'vitest';
import { Fingerprint } from './fingerprint.ts';

const layout = { keySize: 8, valueSize: 4, ignored: 4 } as const;
const rows = [
  Buffer.from('0100000001000000', 'hex'),
  Buffer.from('0200000001000000', 'hex'),
  Buffer.from('0300000009000000', 'hex'),
] as const;
const value = Buffer.from('0a000000', 'hex');

function printOf(...keys: readonly Buffer[]): Fingerprint {
  const print = new Fingerprint(layout);
  for (const key of keys) print.add(key, 0, value, 0);
  return print;
}

describe('Fingerprint', () => {
  it('equals() tells sets of rows apart, in any order, wherever they lie', () => {
    const lot = Buffer.concat([...rows].reverse());
    const print = new Fingerprint(layout);
    for (let at = 0; at < lot.length; at += layout.keySize) print.add(lot, at, value, 0);
    expect(print.equals(printOf(...rows))).toBe(true);
    expect(print.equals(printOf(rows[0], rows[1]))).toBe(false);
    expect(printOf(rows[0], rows[0]).equals(printOf(rows[1], rows[1]))).toBe(false);
  });

  it('add() leaves out the bytes that do not count, and no others', () => {
    expect(printOf(Buffer.from('01000000ffffffff', 'hex')).equals(printOf(rows[0]))).toBe(true);
    expect(printOf(Buffer.from('01000001ffffffff', 'hex')).equals(printOf(rows[0]))).toBe(false);
    const other = new Fingerprint({ ...layout, ignored: null });
    other.add(rows[0], 0, value, 0);
    const same = new Fingerprint({ ...layout, ignored: null });
    same.add(Buffer.from('01000000ffffffff', 'hex'), 0, value, 0);
    expect(other.equals(same)).toBe(false);
  });

  it('remove() takes a row out again', () => {
    const print = printOf(...rows);
    print.remove(rows[1], 0, value, 0);
    expect(print.equals(printOf(rows[0], rows[2]))).toBe(true);
    expect(print.count).toBe(2);
  });
});
