import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../../base/errors.ts';
import { applyRules, removeRules } from './apply.ts';
import { parseIptablesConfig } from './config.ts';
import { formatGuard } from './guard.ts';
import { inspect } from './inspect.ts';
import { withNetns } from './netns.ts';
import { ruleSetsEmpty } from './rule-listing.ts';
import { readContractCases } from './testdata/read-cases.ts';
import type { ScratchNetns } from './testdata/scratch-netns.ts';
import { makeScratchNetns } from './testdata/scratch-netns.ts';
import type { IptablesConfig } from './types.ts';

let pod: ScratchNetns;
beforeEach(async () => {
  pod = await makeScratchNetns();
});
afterEach(() => pod.close());

/** The defaults of a sidecar: everything is captured, both families. */
const sidecar = parseIptablesConfig({
  InboundPortsInclude: '*',
  InboundPortsExclude: '15090,15021,15020',
  OutboundIPRangesInclude: '*',
  EnableIPv6: true,
});

/** The names in the contract data are not groups of this machine; ids in their place give the same rules. */
function withIds(config: IptablesConfig): IptablesConfig {
  const swap = (text: string) => text.replace('java', '3000').replace('ftp', '3001');
  return {
    ...config,
    DryRun: false,
    OwnerGroupsInclude: swap(config.OwnerGroupsInclude),
    OwnerGroupsExclude: swap(config.OwnerGroupsExclude),
  };
}

function save(): string {
  // Counters and the date differ from call to call.
  const text = pod.run('iptables-save', []) + pod.run('ip6tables-save', []);
  return text.replace(/^#.*$/gm, '').replace(/\[\d+:\d+\]/g, '[0:0]');
}

function ruleLines(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith('-A'));
}

async function refusal(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    () => new Error('accepted'),
    (reason: unknown) => reason,
  );
  if (error instanceof UserError) return error;
  throw error;
}

describe('applyRules() with the contract data', () => {
  for (const { name, config } of readContractCases()) {
    test(`writes the rules, changes nothing the second time and takes all of it away when the case is ${name}`, async () => {
      const target = { netns: pod.path };
      const given = withIds(config);
      expect(await inspect(target, given)).toEqual({ kind: 'absent' });
      expect(await applyRules(target, given)).toEqual({ kind: 'written' });
      expect(await inspect(target, given)).toEqual({ kind: 'in-sync' });
      const written = save();
      expect(written).toContain('-A OUTPUT -j ISTIO_OUTPUT');
      expect(await applyRules(target, given)).toEqual({ kind: 'unchanged' });
      expect(save()).toBe(written);
      await removeRules(target, given);
      expect((await ruleSetsEmpty(target)).empty).toBe(true);
      expect(await inspect(target, given)).toEqual({ kind: 'absent' });
    });
  }
});

describe('applyRules()', () => {
  test('says what iptables said and leaves nothing behind when it refuses a rule', async () => {
    const config = parseIptablesConfig({ OwnerGroupsInclude: 'no-such-group-here,202', DropInvalid: true, EnableIPv6: true });
    const error = await refusal(applyRules({ netns: pod.path }, config));
    expect(error.code).toBe('IPTABLES_FAILED');
    expect(error.message).toContain('no-such-group-here');
    expect(error.data.stderr).toContain('no-such-group-here');
    expect((await ruleSetsEmpty({ netns: pod.path })).empty).toBe(true);
    expect(pod.run('ip', ['-6', 'address', 'show', 'dev', 'lo'])).not.toContain('::6/128');
  });

  test('resolves the names of users and groups when the machine knows them', async () => {
    const config = parseIptablesConfig({ ProxyUID: 'nobody', ProxyGID: 'nogroup' });
    expect(await applyRules({ netns: pod.path }, config)).toEqual({ kind: 'written' });
    expect(await applyRules({ netns: pod.path }, config)).toEqual({ kind: 'unchanged' });
    expect(save()).toContain('--uid-owner 65534');
  });

  test('writes nothing when the configuration says DryRun', async () => {
    const outcome = await applyRules({ netns: pod.path }, { ...sidecar, DryRun: true });
    expect(outcome).toEqual({ kind: 'dry-run', state: { kind: 'absent' } });
    expect((await ruleSetsEmpty({ netns: pod.path })).empty).toBe(true);
  });

  test('mends a lost rule, a strange rule in our chain and a moved rule', async () => {
    const target = { netns: pod.path };
    await applyRules(target, sidecar);
    const good = save();
    pod.run('iptables', ['-t', 'nat', '-D', 'ISTIO_OUTPUT', '-d', '127.0.0.1/32', '-j', 'RETURN']);
    pod.run('ip6tables', ['-t', 'nat', '-I', 'ISTIO_INBOUND', '1', '-p', 'tcp', '-j', 'RETURN']);
    const drift = {
      kind: 'drifted',
      missing: ['iptables -t nat -A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN'],
      extra: ['ip6tables -t nat -A ISTIO_INBOUND -p tcp -j RETURN'],
      misordered: [],
    };
    expect(await inspect(target, sidecar)).toEqual(drift);
    expect(await applyRules(target, sidecar)).toEqual({ kind: 'repaired', drift });
    expect(ruleLines(save())).toEqual(ruleLines(good));
    expect(await inspect(target, sidecar)).toEqual({ kind: 'in-sync' });
    expect(save()).not.toContain('ISTIO_GUARD');

    pod.run('iptables', ['-t', 'nat', '-D', 'ISTIO_OUTPUT', '-j', 'ISTIO_REDIRECT']);
    pod.run('iptables', ['-t', 'nat', '-I', 'ISTIO_OUTPUT', '1', '-j', 'ISTIO_REDIRECT']);
    const moved = await inspect(target, sidecar);
    expect(moved).toEqual({ kind: 'drifted', missing: [], extra: [], misordered: ['iptables -t nat ISTIO_OUTPUT'] });
    expect((await applyRules(target, sidecar)).kind).toBe('repaired');
    expect(await inspect(target, sidecar)).toEqual({ kind: 'in-sync' });
  });

  test('moves from one configuration to another when told what was written before', async () => {
    const target = { netns: pod.path };
    const before = parseIptablesConfig({ ...sidecar, InboundInterceptionMode: 'TPROXY', ExcludeInterfaces: 'net1' });
    await applyRules(target, before);
    expect(pod.run('ip', ['rule', 'show'])).toContain('fwmark 0x539 lookup 133');
    expect((await applyRules(target, sidecar, { previous: before })).kind).toBe('repaired');
    expect(save()).not.toContain('net1');
    expect(save()).not.toContain('CONNMARK');
    expect(pod.run('ip', ['rule', 'show'])).not.toContain('fwmark');
    expect(pod.run('ip', ['-6', 'route', 'show', 'table', 'all'])).not.toContain('table 133');
    expect(await inspect(target, sidecar, { previous: before })).toEqual({ kind: 'in-sync' });
  });

  test('finds and mends lost routing when the mode is TPROXY', async () => {
    const target = { netns: pod.path };
    const config = parseIptablesConfig({ ...sidecar, InboundInterceptionMode: 'TPROXY' });
    await applyRules(target, config);
    pod.run('ip', ['rule', 'del', 'fwmark', '1337', 'lookup', '133']);
    pod.run('ip', ['-6', 'address', 'del', '::6/128', 'dev', 'lo']);
    const missing = ['ip -6 address add ::6/128 dev lo', 'ip -4 rule add fwmark 1337 lookup 133'];
    expect(await inspect(target, config)).toEqual({ kind: 'drifted', missing, extra: [], misordered: [] });
    expect((await applyRules(target, config)).kind).toBe('repaired');
    expect(await inspect(target, config)).toEqual({ kind: 'in-sync' });
  });

  test('finds and removes a guard that a crash left behind', async () => {
    const target = { netns: pod.path };
    await applyRules(target, sidecar);
    pod.run('iptables-restore', ['--noflush'], formatGuard());
    pod.run('iptables-restore', ['--noflush'], formatGuard());
    expect((await inspect(target, sidecar)).kind).toBe('drifted');
    expect((await applyRules(target, sidecar)).kind).toBe('repaired');
    expect(save()).not.toContain('ISTIO_GUARD');
  });

  test('keeps the guard when mending fails, so that nothing passes unredirected', async () => {
    const target = { netns: pod.path };
    await applyRules(target, sidecar);
    const broken = parseIptablesConfig({ ...sidecar, OwnerGroupsInclude: 'no-such-group-here' });
    const error = await refusal(applyRules(target, broken, { previous: sidecar }));
    expect(error.code).toBe('IPTABLES_FAILED');
    expect(save()).toMatch(/-A OUTPUT -j ISTIO_GUARD/);
    expect((await applyRules(target, sidecar)).kind).toBe('repaired');
    expect(save()).not.toContain('ISTIO_GUARD');
  });

  test('leaves rules of IPv6 alone when IPv6 is not planned', async () => {
    pod.run('ip6tables', ['-t', 'nat', '-N', 'ISTIO_OUTPUT']);
    const config = parseIptablesConfig({ ...sidecar, EnableIPv6: false });
    expect(await applyRules({ netns: pod.path }, config)).toEqual({ kind: 'written' });
    expect(pod.run('ip6tables-save', [])).toContain(':ISTIO_OUTPUT - ');
    expect(pod.run('ip6tables-save', [])).not.toContain('-A ');
  });

  test('stops when the signal has fired', async () => {
    await expect(applyRules({ netns: pod.path }, sidecar, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    expect((await ruleSetsEmpty({ netns: pod.path })).empty).toBe(true);
  });

  test('writes owner rules into a namespace that another user namespace owns when that is named (ID-06)', async () => {
    const nested = await makeScratchNetns({ ownUserns: true });
    try {
      const config = parseIptablesConfig({ ProxyUID: '0', ProxyGID: '0' });
      const refused = await refusal(applyRules({ netns: nested.path }, config));
      expect(refused.code).toBe('IPTABLES_FAILED');
      expect(await applyRules({ netns: nested.path, userns: nested.userns }, config)).toEqual({ kind: 'written' });
      expect(nested.run('iptables-save', [])).toContain('--uid-owner 0 ');
    } finally {
      await nested.close();
    }
  });

  test("refuses the machine's own namespace, which these tests run in", async () => {
    const error = await refusal(applyRules({ netns: '/proc/self/ns/net' }, sidecar));
    expect(error.code).toBe('NETNS_INVALID');
    expect(error.message).toMatch(/machine's own network namespace|Millrace itself runs in it/);
  });

  test.each([
    ['a file that is no namespace', '/proc/version'],
    ["the first process's namespace", '/proc/1/ns/net'],
    ['a path that is not there', '/run/netns/no-such-namespace'],
    ['a namespace of another kind', '/proc/self/ns/uts'],
  ])('refuses %s', async (_what, path) => {
    const error = await refusal(applyRules({ netns: path }, sidecar));
    expect(error.code).toBe('NETNS_INVALID');
    expect(error.message).toContain(path);
  });
});

describe('withNetns()', () => {
  test('says which program is missing, with the exit code of a machine that cannot, when it is run inside', async () => {
    const error = await refusal(withNetns({ netns: pod.path }, (netns) => netns.run('no-such-program-here', [])));
    expect(error.code).toBe('MACHINE_MISSING_PROGRAM');
    expect(error.message).toContain('no-such-program-here');
    expect(error.exitCode).toBe(3);
  });

  test('runs in the namespace that was opened even when its path means nothing any more', async () => {
    const other = await makeScratchNetns();
    other.run('ip', ['link', 'add', 'mark0', 'type', 'veth', 'peer', 'name', 'mark1']);
    const seen = await withNetns({ netns: other.path }, async (netns) => {
      await other.close();
      return netns.run('ip', ['-o', 'link', 'show']);
    });
    expect(seen.stdout).toContain('mark0');
  });
});

describe('removeRules()', () => {
  test('leaves foreign rules and chains alone, and takes away rules that jump to our chains', async () => {
    const target = { netns: pod.path };
    const foreign = [
      '* nat',
      '-N MINE',
      '-A MINE -p tcp -m comment --comment "not \\"yours\\"" -j RETURN',
      '-A OUTPUT -p tcp -m tcp --dport 81 -j MINE',
      '-A PREROUTING -i net1 -j RETURN',
      'COMMIT',
      '* filter',
      '-A INPUT -p tcp -m tcp --dport 23 -j DROP',
      'COMMIT',
      '',
    ].join('\n');
    pod.run('iptables-restore', ['--noflush'], foreign);
    const before = save();
    const config = parseIptablesConfig({ ...sidecar, ExcludeInterfaces: 'net2', InboundInterceptionMode: 'TPROXY' });
    await applyRules(target, config);
    pod.run('iptables', ['-t', 'nat', '-A', 'MINE', '-j', 'ISTIO_OUTPUT']);
    await removeRules(target, config);
    expect(ruleLines(save())).toEqual(ruleLines(before));
    expect(save()).not.toContain('ISTIO_');
    expect(pod.run('ip', ['rule', 'show'])).not.toContain('fwmark');
    expect(pod.run('ip', ['-6', 'address', 'show', 'dev', 'lo'])).not.toContain('::6/128');
    await removeRules(target, config);
    expect(ruleLines(save())).toEqual(ruleLines(before));
  });

  test('takes our chains and the jumps to them away when the configuration is not known any more', async () => {
    const target = { netns: pod.path };
    await applyRules(target, sidecar);
    await removeRules(target, null);
    expect((await ruleSetsEmpty(target)).empty).toBe(true);
  });
});
