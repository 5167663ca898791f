import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compileBpf } from '../../test/support/compile-bpf.ts';
import { BpfObject } from '../kernel/index.ts';
import type { CompiledPolicy, CompiledSubject, IpcacheEntry, PolicyRow } from '../policy/types.ts';
import type { DataPlaneMaps } from '../redirect/ebpf/maps.ts';
import { openMaps } from '../redirect/ebpf/maps.ts';
import { readSettings } from '../redirect/ebpf/settings.ts';
import type { PolicyEndpoint } from './rows.ts';
import { PolicyTableWriter } from './writer.ts';

let object: BpfObject;
let maps: DataPlaneMaps;
let writer: PolicyTableWriter;

const sizes = { ipcache: 2500, rows: 128, subjects: 8 };
const elf = compileBpf('bpf/tests/policy_only.bpf.c', [
  { file: 'bpf/abi/version.h', from: 'MR_SIZE_IPCACHE = 131072', to: `MR_SIZE_IPCACHE = ${sizes.ipcache}` },
  { file: 'bpf/abi/version.h', from: 'MR_SIZE_POLICY_ROWS = 1048576', to: `MR_SIZE_POLICY_ROWS = ${sizes.rows}` },
  { file: 'bpf/abi/version.h', from: 'MR_SIZE_SUBJECTS = 65536', to: `MR_SIZE_SUBJECTS = ${sizes.subjects}` },
]);

beforeEach(async () => {
  object = await BpfObject.load(elf, { name: 'tables' });
  maps = openMaps(object);
  writer = new PolicyTableWriter(maps);
});

afterEach(() => {
  writer.close();
  for (const map of Object.values(maps)) map.close();
  object.close();
});

const row = (peer: number, port = 0, precedence = 3, rule = 1): PolicyRow => ({
  peer,
  direction: 'ingress',
  protocol: port === 0 ? 0 : 6,
  port,
  portBits: port === 0 ? 0 : 16,
  tiers: [
    { precedence: 0, rule: 0 },
    { precedence, rule },
    { precedence: 0, rule: 0 },
  ],
});

function compiled(
  rows: Readonly<Record<number, readonly PolicyRow[]>>,
  subjects: readonly CompiledSubject[],
  ipcache: readonly IpcacheEntry[] = [],
): CompiledPolicy {
  const policies = new Map(Object.entries(rows).map(([number, list]) => [Number(number), list]));
  return { identities: [], ipcache, endpoints: [], subjects, rows: policies, rules: new Map(), statuses: [] };
}

const subject = (identity: number, policy: number): CompiledSubject => ({ identity, policy, ingress: true, egress: false });
const endpoint = (cookie: bigint, identity: number, more: Partial<PolicyEndpoint> = {}): PolicyEndpoint => ({
  cookie,
  identity,
  addresses: ['10.0.0.2', 'fd00::2'],
  audit: false,
  reject: false,
  forwards: false,
  ...more,
});
const nothing = { written: 0, removed: 0 };
const policyOf = (identity: number) => maps.subjects.get(identity)?.policy ?? 0;
const rowsOf = (policy: number) =>
  [...maps.policy.entries()]
    .filter(([key]) => key.policy === policy)
    .map(([key, value]) => `${key.prefixlen} ${key.peer} ${key.protocol} ${key.dport} ${value.tiers[1]?.precedence}`)
    .sort();

const base = compiled(
  { 1: [row(0, 0, 1), row(300, 80), row(301, 80)] },
  [subject(257, 1)],
  [
    { prefix: '10.0.0.3/32', identity: 300 },
    { prefix: 'fd00::/64', identity: 301 },
    { prefix: '0.0.0.0/0', identity: 9 },
  ],
);

describe('PolicyTableWriter.apply()', () => {
  it('writes rows, subjects, addresses and endpoints as the programs read them', async () => {
    const change = await writer.apply(base, [endpoint(5n, 257, { audit: true, forwards: true })]);
    expect(change).toMatchObject({
      rows: { written: 3, removed: 0 },
      subjects: { written: 1, removed: 0 },
      ipcache: { written: 3, removed: 0 },
      endpoints: { written: 1, removed: 0 },
      epoch: 1,
    });
    expect(rowsOf(policyOf(257))).toEqual(['72 0 0 0 1', '96 300 6 80 3', '96 301 6 80 3']);
    expect(maps.subjects.get(257)?.flags).toBe(2);
    expect(maps.endpoints.get(5n)).toMatchObject({ identity: 257, flags: 1 | 4 });
    expect(Buffer.from(maps.endpoints.get(5n)?.addr4 ?? []).toString('hex')).toBe('00000000000000000000ffff0a000002');
    const keys = [...maps.ipcache.entries()].map(([key, { identity }]) => `${key.prefixlen} ${key.family} ${identity}`).sort();
    expect(keys).toEqual(['128 4 9', '160 4 300', '96 6 301']);
    expect(writer.rowCount).toBe(3);
  });

  it('does nothing where nothing differs, and moves the epoch only where something does', async () => {
    await writer.apply(base, [endpoint(5n, 257)]);
    const again = await writer.apply({ ...base, ipcache: [...base.ipcache], subjects: [...base.subjects] }, [endpoint(5n, 257)]);
    expect(again).toMatchObject({ rows: nothing, subjects: nothing, ipcache: nothing, endpoints: nothing, epoch: 1 });
    const audited = await writer.apply(base, [endpoint(5n, 257, { audit: true })]);
    expect(audited).toMatchObject({ rows: nothing, endpoints: { written: 1, removed: 0 }, epoch: 2 });
    expect(readSettings(maps).policyEpoch).toBe(2);
  });

  it('writes a changed policy whole before its subject moves, and removes the old one after', async () => {
    await writer.apply(base, []);
    const before = policyOf(257);
    const change = await writer.apply(compiled({ 2: [row(0, 0, 1), row(300, 81)] }, [subject(257, 2)], base.ipcache), []);
    expect(change).toMatchObject({ rows: { written: 2, removed: 3 }, subjects: { written: 1, removed: 0 }, ipcache: nothing });
    expect(policyOf(257)).not.toBe(before);
    expect(rowsOf(before)).toEqual([]);
    expect(rowsOf(policyOf(257))).toEqual(['72 0 0 0 1', '96 300 6 81 3']);
  });

  it('changes rows of new and gone identities in place', async () => {
    await writer.apply(base, []);
    const before = policyOf(257);
    const rows = [row(0, 0, 1), row(300, 80), row(302, 80)];
    const change = await writer.apply(compiled({ 1: rows }, [subject(257, 1)], [{ prefix: '10.0.0.3/32', identity: 302 }]), []);
    expect(change).toMatchObject({ rows: { written: 1, removed: 1 }, ipcache: { written: 1, removed: 2 } });
    expect([policyOf(257), rowsOf(before)]).toEqual([before, ['72 0 0 0 1', '96 300 6 80 3', '96 302 6 80 3']]);
    expect(writer.rowCount).toBe(3);
  });

  it('removes everything that is no longer there', async () => {
    await writer.apply(base, [endpoint(5n, 257)]);
    const change = await writer.apply(compiled({}, []), []);
    expect(change).toMatchObject({
      rows: { written: 0, removed: 3 },
      subjects: { written: 0, removed: 1 },
      ipcache: { written: 0, removed: 3 },
      endpoints: { written: 0, removed: 1 },
    });
    expect([maps.policy.count(), maps.subjects.count(), maps.ipcache.count(), maps.endpoints.count()]).toEqual([0, 0, 0, 0]);
  });

  it('does one after the other', async () => {
    const other = compiled({ 2: [row(0, 0, 3)] }, [subject(257, 2)]);
    const changes = await Promise.all([writer.apply(base, []), writer.apply(other, []), writer.apply(base, [])]);
    expect(changes.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(rowsOf(policyOf(257))).toEqual(['72 0 0 0 1', '96 300 6 80 3', '96 301 6 80 3']);
    expect(maps.policy.count()).toBe(3);
  });

  it('takes over what an earlier process wrote, whatever numbers it gave', async () => {
    await writer.apply(base, [endpoint(5n, 257)]);
    writer.close();
    writer = new PolicyTableWriter(maps);
    const rows = [...(base.rows.get(1) ?? [])].reverse();
    const change = await writer.apply(compiled({ 40: rows }, [subject(257, 40)], base.ipcache), [endpoint(5n, 257)]);
    expect(change).toMatchObject({ rows: nothing, subjects: nothing, ipcache: nothing, endpoints: nothing, epoch: 1 });
  });

  it('replaces what an earlier process wrote where it differs, and never mixes numbers', async () => {
    await writer.apply(base, []);
    const before = policyOf(257);
    writer.close();
    writer = new PolicyTableWriter(maps);
    const change = await writer.apply(compiled({ [before]: [row(0, 0, 1), row(300, 81), row(301, 80)] }, [subject(257, before)]), []);
    expect(change).toMatchObject({ rows: { written: 3, removed: 3 }, subjects: { written: 1, removed: 0 }, ipcache: { removed: 3 } });
    expect(policyOf(257)).not.toBe(before);
    expect(maps.policy.count()).toBe(3);
  });

  it('keeps the policy that holds when there is no room, says which table, and works again when there is', async () => {
    await writer.apply(base, []);
    const before = policyOf(257);
    const many = Array.from({ length: sizes.rows }, (_, peer) => row(peer));
    await expect(writer.apply(compiled({ 2: many }, [subject(257, 2)], base.ipcache), [])).rejects.toMatchObject({
      code: 'TABLE_FULL',
      data: { map: 'mr_policy', maxEntries: sizes.rows },
    });
    expect(policyOf(257)).toBe(before);
    expect(rowsOf(before)).toHaveLength(3);
    expect(maps.policy.count()).toBe(3);
    const ipcache = Array.from({ length: sizes.ipcache + 1 }, (_, index) => ({
      prefix: `10.1.${index >> 8}.${index & 255}/32`,
      identity: 300,
    }));
    await expect(writer.apply({ ...base, ipcache }, [])).rejects.toMatchObject({ data: { map: 'mr_ipcache' } });
    const change = await writer.apply(compiled({ 3: [row(0, 0, 1)] }, [subject(257, 3)], base.ipcache), []);
    expect(change.rows).toEqual({ written: 1, removed: 3 });
    expect([maps.policy.count(), maps.ipcache.count()]).toEqual([1, 3]);
  });

  it('refuses what is no address before it writes anything', async () => {
    await expect(writer.apply(base, [endpoint(5n, 257, { addresses: ['10.0.0.2', '10.0.0.4'] })])).rejects.toThrow('two addresses');
    await expect(writer.apply(base, [endpoint(5n, 257, { addresses: ['pod'] })])).rejects.toThrow('no address: pod');
    expect(maps.policy.count()).toBe(0);
  });
});

describe('PolicyTableWriter.differs()', () => {
  const never = () => false;

  it('is true before anything was written, and false when nobody else changed the tables', async () => {
    expect(await writer.differs(never)).toBe(true);
    await writer.apply(base, [endpoint(5n, 257)]);
    expect(await writer.differs(never)).toBe(false);
    await writer.apply(compiled({ 2: [row(0, 0, 1), row(302, 90)] }, [subject(257, 2)], base.ipcache.slice(1)), [endpoint(5n, 257)]);
    expect(await writer.differs(never)).toBe(false);
  });

  const first = <K>(map: { keys(): Iterable<K> }): K => {
    for (const key of map.keys()) return key;
    throw new Error('the table is empty');
  };
  it.each<readonly [string, () => unknown]>([
    ['a row is gone', () => maps.policy.delete(first(maps.policy))],
    ['a row is changed', () => maps.policy.set(first(maps.policy), { tiers: [1, 2, 3].map((rule) => ({ precedence: 3, rule })) })],
    ['an address is gone', () => maps.ipcache.delete(first(maps.ipcache))],
    ['an address has another identity', () => maps.ipcache.set(first(maps.ipcache), { identity: 999 })],
    ['a subject is gone', () => maps.subjects.delete(257)],
    ['a subject is new', () => maps.subjects.set(258, { policy: 1, flags: 1 })],
    ['a pod is gone', () => maps.endpoints.delete(5n)],
  ])('is true when %s, until it is learned and written again', async (_what, act) => {
    await writer.apply(base, [endpoint(5n, 257)]);
    act();
    expect(await writer.differs(never)).toBe(true);
    await writer.learn();
    await writer.apply(base, [endpoint(5n, 257)]);
    expect(await writer.differs(never)).toBe(false);
  });

  it('leaves off when it is told to, and goes on with the addresses where it was', async () => {
    const ipcache = Array.from({ length: sizes.ipcache }, (_, index) => ({
      prefix: `10.1.${index >> 8}.${index & 255}/32`,
      identity: 300,
    }));
    await writer.apply({ ...base, ipcache }, []);
    expect(await writer.differs(() => true)).toBeNull();
    const looksUntil = async (last: number): Promise<{ looks: number; answer: boolean | null }> => {
      let looks = 0;
      const answer = await writer.differs(() => {
        looks += 1;
        return looks === last;
      });
      return { looks, answer };
    };
    const whole = await looksUntil(Number.POSITIVE_INFINITY);
    expect(whole.answer).toBe(false);
    // one lot of addresses short of the end
    expect(await looksUntil(whole.looks - 1)).toEqual({ looks: whole.looks - 1, answer: null });
    const more = await looksUntil(Number.POSITIVE_INFINITY);
    expect(more.answer).toBe(false);
    expect(more.looks).toBeLessThan(whole.looks - 1);
  });
});
