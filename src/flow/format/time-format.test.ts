import { describe, expect, it } from 'vitest';
import { coloured, plain } from './colour.ts';
import { formatTime } from './time-format.ts';

describe('formatTime()', () => {
  it('has N/A for no time and for one that the API does not allow', () => {
    expect(formatTime(undefined, 'RFC3339')).toBe('N/A');
    expect(formatTime({ seconds: 253402300800n, nanos: 0 }, 'RFC3339')).toBe('N/A');
    expect(formatTime({ seconds: 0n, nanos: 1_000_000_000 }, 'RFC3339')).toBe('N/A');
  });

  it('keeps nanoseconds, and no zeros after them', () => {
    expect(formatTime({ seconds: 1n, nanos: 120_000_000 }, 'RFC3339Nano')).toBe('1970-01-01T00:00:01.12Z');
    expect(formatTime({ seconds: 1n, nanos: 1 }, 'RFC3339Nano')).toBe('1970-01-01T00:00:01.000000001Z');
    expect(formatTime({ seconds: 1n, nanos: 1 }, 'RFC3339Micro')).toBe('1970-01-01T00:00:01Z');
  });
});

describe('Painter.escape()', () => {
  it('leaves no escape sequence but its own colours', () => {
    const hostile = '\u001b]0;title\u0007\u001b[2J\r\u001b[31mred\u001b[0m';
    expect(plain.escape(hostile)).toBe('^[]0;title\u0007^[[2J\\r^[[31mred^[[0m');
    expect(coloured.escape(hostile)).toBe('^[]0;title\u0007^[[2J\\r\u001b[31mred\u001b[0m');
  });
});
