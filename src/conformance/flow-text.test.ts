import { describe, expect, it } from 'vitest';
import { flowText, ownerText } from './flow-text.ts';
import { application } from './identity.ts';
import { allRows } from './rows/all.ts';

describe('flowText()', () => {
  it('says who, from where, how and to where', () => {
    expect(flowText({ kind: 'tcp', who: application, to: '10.9.0.2:8080', from: '127.0.0.6:0' })).toBe(
      'A → 10.9.0.2:8080 (bound 127.0.0.6:0)',
    );
    expect(flowText({ kind: 'tcp', who: application, at: 'outside', to: '10.9.0.2:99', closed: true })).toBe(
      'outside → 10.9.0.2:99 (nobody serves it)',
    );
    expect(flowText({ kind: 'udp', who: application, to: ['10.96.0.10:53'], connected: true })).toBe('A udp → 10.96.0.10:53 (connected)');
  });

  it('is different for rows of one configuration that are about different flows', () => {
    const seen = new Map<string, string>();
    const alike = allRows.flatMap(({ world, flow }) => {
      const text = `${world.name}: ${flowText(flow)}`;
      const data = JSON.stringify(flow);
      const other = seen.get(text);
      seen.set(text, data);
      // the same flow may stand in the table twice, for two rows of the contract
      return other === undefined || other === data ? [] : [text];
    });
    expect(alike).toEqual([]);
  });
});

describe('ownerText()', () => {
  it.each([
    [{ uid: 1000, gid: 1000 }, 'A'],
    [{ uid: 1000, gid: 1337 }, 'G'],
    [{ uid: 3, gid: 1000 }, '3/1000'],
    [{ uid: 1000, gid: 1000, groups: [1337] }, 'A in group 1337'],
  ])('names %o %s', (who, text) => {
    expect(ownerText(who)).toBe(text);
  });
});
