import { describe, expect, it } from 'vitest';
import { unsupported } from './flows/encounter.ts';
import { application } from './identity.ts';
import { deviationsOf, judge, namesRow, summaryOf } from './judge.ts';
import type { Deviation, Row } from './types.ts';
import { worlds } from './worlds.ts';

const row: Row = {
  id: 'OUT-01',
  world: worlds.standard,
  flow: { kind: 'tcp', who: application, to: '10.96.5.5:80' },
  expected: { reached: 'outbound', local: '127.0.0.1:15001' },
};
const asExpected = { reached: 'outbound', local: '127.0.0.1:15001', peer: '10.9.0.2:same' };
const spread: Deviation = {
  rows: ['OUT-01'],
  modes: ['bind'],
  seen: { local: '127.128.0.0/9:15001' },
  reason: 'A reason.',
  effect: 'An effect.',
};
const refused: Deviation = { ...spread, seen: { reached: 'ECONNREFUSED' } };

describe('namesRow()', () => {
  it.each([
    ['OUT-05', 'OUT-05', true],
    ['OUT-05', 'OUT-05/22', false],
    ['OUT-05/22', 'OUT-05/22', true],
    ['OUT-05/*', 'OUT-05/22', true],
    ['OUT-05/*', 'OUT-05', true],
    ['OUT-05/*', 'OUT-050', false],
  ])('answers of %s and %s: %s', (listed, id, answer) => {
    expect(namesRow(listed, id)).toBe(answer);
  });
});

describe('judge()', () => {
  it('passes a row when all expected fields are seen, whatever else is', () => {
    const result = judge(row, 'iptables', asExpected, []);
    expect(result).toMatchObject({ verdict: 'pass', seen: row.expected, flow: 'A → 10.96.5.5:80', world: 'default' });
  });

  it('fails a row when one field differs or is missing', () => {
    expect(judge(row, 'iptables', { ...asExpected, local: '127.0.0.2:15001' }, []).verdict).toBe('fail');
    const missing = judge(row, 'iptables', { reached: 'ECONNREFUSED' }, []);
    expect(missing).toMatchObject({ verdict: 'fail', seen: { reached: 'ECONNREFUSED', local: 'nothing (ECONNREFUSED)' } });
  });

  it('finds a deviation only when just what it says is seen', () => {
    expect(judge(row, 'bind', { ...asExpected, local: '127.128.0.0/9:15001' }, [spread]).verdict).toBe('deviation');
    expect(judge(row, 'bind', { reached: 'inbound', local: '127.128.0.0/9:15001' }, [spread]).verdict).toBe('fail');
    expect(judge(row, 'bind', { ...asExpected, local: '127.0.0.3:15001' }, [spread]).verdict).toBe('fail');
  });

  it('fails a row when its deviation has gone', () => {
    expect(judge(row, 'bind', asExpected, [spread]).verdict).toBe('fail');
  });

  it('compares nothing but the deviation when the connection itself is another', () => {
    expect(judge(row, 'bind', { reached: 'ECONNREFUSED' }, [refused])).toMatchObject({
      verdict: 'deviation',
      seen: { reached: 'ECONNREFUSED' },
    });
    expect(judge(row, 'bind', { reached: 'timeout' }, [refused]).verdict).toBe('fail');
  });

  it('takes all deviations of a row together', () => {
    const other: Deviation = { ...spread, seen: { peer: '127.0.0.1:same' } };
    expect(deviationsOf('OUT-01', 'bind', [spread, other])).toHaveLength(2);
    const seen = { reached: 'outbound', local: '127.128.0.0/9:15001', peer: '127.0.0.1:same' };
    expect(judge(row, 'bind', seen, [spread, other]).verdict).toBe('deviation');
    expect(judge(row, 'bind', { ...seen, peer: '10.9.0.2:same' }, [spread, other]).verdict).toBe('fail');
  });

  it('skips a row when the kernel cannot run it', () => {
    expect(judge(row, 'bind', { reached: unsupported }, [spread]).verdict).toBe('skip');
  });
});

describe('summaryOf()', () => {
  it('counts each verdict', () => {
    const results = [
      judge(row, 'iptables', asExpected, []),
      judge(row, 'bind', { ...asExpected, local: '127.128.0.0/9:15001' }, [spread]),
      judge(row, 'bind', {}, [spread]),
      judge(row, 'bind', { reached: unsupported }, []),
    ];
    expect(summaryOf(results)).toEqual({ rows: 4, pass: 1, deviation: 1, fail: 1, skip: 1 });
  });
});
