import { describe, expect, it } from 'vitest';
import { RuleIds, RuleTable } from './rule-table.ts';

const source = (index: number) =>
  ({
    policy: { kind: 'NetworkPolicy', namespace: 'x', name: 'p' },
    direction: 'ingress',
    action: 'allow',
    section: 0,
    index,
    name: null,
    matchType: 'L3-Only',
  }) as const;

describe('RuleTable', () => {
  it('snapshot() does not change when rules come and go afterwards, on whichever page', () => {
    const table = new RuleTable();
    const ids = Array.from({ length: 1000 }, (_, index) => table.hold(source(index), new RuleIds()));
    const before = table.snapshot();
    for (const id of ids.slice(100, 900)) table.drop(id);
    const more = table.hold(source(1000), new RuleIds());
    expect([...before.keys()]).toEqual(ids);
    expect([...before.values()].map(({ index }) => index)).toEqual(ids.map((_, index) => index));
    expect([before.get(ids[500] ?? 0)?.index, before.get(more)]).toEqual([500, undefined]);
    const after = table.snapshot();
    expect([...after.keys()]).toEqual([...ids.slice(0, 100), ...ids.slice(900), more]);
    expect([after.get(ids[500] ?? 0), after.get(more)?.index]).toEqual([undefined, 1000]);
  });

  it('snapshot() is the same object where nothing changed, and another where a rule did', () => {
    const table = new RuleTable();
    const id = table.hold(source(0), new RuleIds());
    const before = table.snapshot();
    expect(table.snapshot()).toBe(before);
    const ids = new RuleIds();
    const rule = table.get(id);
    if (rule !== undefined) ids.add(rule);
    table.hold({ ...source(0), name: 'named' }, ids);
    expect(table.snapshot()).not.toBe(before);
    expect([before.get(id)?.name, table.snapshot().get(id)?.name]).toEqual([null, 'named']);
  });
});
