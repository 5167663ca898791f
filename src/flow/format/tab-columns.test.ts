import { describe, expect, it } from 'vitest';
import { alignTabs } from './tab-columns.ts';

describe('alignTabs()', () => {
  it('makes a column as wide as its widest cell and three spaces', () => {
    expect(alignTabs('a\tb\tc\nlong\tx\ty\n')).toBe('a      b   c\nlong   x   y\n');
  });

  it('ends a column at a line that has no cell there', () => {
    expect(alignTabs('a\tb\nalone\nwide cell\tb\n')).toBe('a   b\nalone\nwide cell   b\n');
  });

  it('counts characters, not bytes or code units', () => {
    expect(alignTabs('é😀\tb\nabc\tb\n')).toBe('é😀    b\nabc   b\n');
  });
});
