import { describe, expect, test } from 'vitest';
import { canonicalRule, splitRule } from './canonical.ts';
import { compareState, formatCleanup } from './compare.ts';
import { parseIptablesConfig } from './config.ts';
import { isEmptyNftRuleset } from './rule-listing.ts';
import { planRules } from './rules.ts';
import { isEmptyState, parseSavedState } from './saved-state.ts';
import { readContractCases } from './testdata/read-cases.ts';
import type { RuleSet } from './types.ts';

const plan = planRules(parseIptablesConfig({ InboundPortsInclude: '*', ExcludeInterfaces: 'net1' })).v4;
const bare: RuleSet = { family: 4, tables: [] };

/** As iptables-save would print a plan, with rules of others around it. */
function saved(rules: RuleSet, foreign: readonly string[] = []): string {
  return rules.tables
    .map((table) => {
      const chains = [':PREROUTING ACCEPT [0:0]', ':OUTPUT ACCEPT [3:180]', ...table.chains.map((chain) => `:${chain} - [0:0]`)];
      const lines = table.rules.map((rule) => `-A ${rule.chain} ${rule.spec.join(' ')}`);
      return [`# made\n*${table.table}`, ...chains, ...foreign, ...lines, 'COMMIT', ''].join('\n');
    })
    .join('');
}

function state(text: string) {
  return parseSavedState(4, text);
}

describe('canonicalRule()', () => {
  test.each([
    [
      'a mark',
      '-p tcp -m mark --mark 1337 -j CONNMARK --save-mark',
      '-p tcp -m mark --mark 0x539 -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff',
    ],
    ['a set mark', '-j MARK --set-mark 1338', '-j MARK --set-xmark 0x53a/0xffffffff'],
    [
      'a proxy target',
      '-p tcp -j TPROXY --tproxy-mark 1337/0xffffffff --on-port 15006',
      '-p tcp -j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x539/0xffffffff',
    ],
    [
      'a port match',
      '-p udp --dport 53 -d 127.0.0.53/32 -j REDIRECT --to-port 15053',
      '-d 127.0.0.53/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053',
    ],
    ['host bits', '-d 127.0.0.1/8 -j RETURN', '-d 127.0.0.0/8 -j RETURN'],
    ['the whole range', '-d 0.0.0.0/0 -j RETURN', '-j RETURN'],
    ['states', '-m conntrack --ctstate RELATED,ESTABLISHED -j X', '-m conntrack --ctstate ESTABLISHED,RELATED -j X'],
  ])('makes two ways of writing %s one', (_what, planned, printed) => {
    expect(canonicalRule(planned.split(' '))).toBe(canonicalRule(printed.split(' ')));
  });

  test.each([
    ['-d 10.0.0.0/8 -j RETURN', '! -d 10.0.0.0/8 -j RETURN'],
    ['-m owner --uid-owner 1337 -j RETURN', '-m owner ! --uid-owner 1337 -j RETURN'],
    ['-m owner --uid-owner 1337 -j RETURN', '-m owner --gid-owner 1337 -j RETURN'],
    ['-j MARK --set-xmark 0x539/0xffffffff', '-j MARK --set-xmark 0x539/0xff'],
    ['-p tcp --dport 80 -j RETURN', '-p tcp --sport 80 -j RETURN'],
  ])('keeps %j and %j apart', (one, other) => {
    expect(canonicalRule(one.split(' '))).not.toBe(canonicalRule(other.split(' ')));
  });
});

describe('splitRule()', () => {
  test('takes what is quoted as one word', () => {
    expect(splitRule('-m comment --comment "a \\"b\\" -j X" -j Y')).toEqual(['-m', 'comment', '--comment', 'a "b" -j X', '-j', 'Y']);
  });
});

describe('compareState()', () => {
  test('finds no difference when the plan is there among foreign rules', () => {
    const foreign = ['-A OUTPUT -p tcp -m tcp --dport 81 -j DROP', '-A PREROUTING -i net9 -j RETURN'];
    expect(compareState(plan, state(saved(plan, foreign)))).toEqual({ missing: [], extra: [], misordered: [], absent: false });
  });

  test('says absent when nothing of the plan is there', () => {
    const result = compareState(plan, state('*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j ACCEPT\nCOMMIT\n'));
    expect(result.absent).toBe(true);
    expect(result.extra).toEqual([]);
    expect(result.missing).toContain('iptables -t nat -A OUTPUT -j ISTIO_OUTPUT');
  });

  test('counts a rule that is there twice in our chain as extra', () => {
    const twice = saved(plan).replace('COMMIT', '-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001\nCOMMIT');
    expect(compareState(plan, state(twice)).extra).toEqual(['iptables -t nat -A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001']);
  });

  test('counts chains of ours that are not planned and jumps to them as extra', () => {
    const other = saved(plan)
      .replace(':ISTIO_OUTPUT', ':ISTIO_OLD - [0:0]\n:ISTIO_OUTPUT')
      .replace('COMMIT', '-A OUTPUT -j ISTIO_OLD\nCOMMIT');
    expect(compareState(plan, state(other)).extra.toSorted()).toEqual([
      'iptables -t nat -A OUTPUT -j ISTIO_OLD',
      'iptables -t nat -N ISTIO_OLD',
    ]);
  });

  test('counts a rule of the former plan in a built-in chain as extra only when that plan is given', () => {
    const now = planRules(parseIptablesConfig({ InboundPortsInclude: '*' })).v4;
    expect(compareState(now, state(saved(plan))).extra).toEqual([]);
    expect(compareState(now, state(saved(plan)), plan).extra).toEqual([
      'iptables -t nat -A PREROUTING -i net1 -j RETURN',
      'iptables -t nat -A OUTPUT -o net1 -j RETURN',
    ]);
  });

  test('names a chain whose rules are in another order', () => {
    const text = saved(plan);
    const line = '-A PREROUTING -i net1 -j RETURN';
    const moved = text.replace(`${line}\n`, '').replace('COMMIT', `${line}\nCOMMIT`);
    expect(compareState(plan, state(moved))).toEqual({ missing: [], extra: [], misordered: ['iptables -t nat PREROUTING'], absent: false });
  });
});

describe('formatCleanup()', () => {
  test('gives nothing to do when nothing of ours is there', () => {
    expect(formatCleanup([plan], state('*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j ACCEPT\nCOMMIT\n'))).toBe('');
  });

  test('takes away as many equal rules as were planned and leaves the rest to their owner', () => {
    const text = saved(plan, ['-A OUTPUT -o net1 -j RETURN']);
    const lines = formatCleanup([plan], state(text)).split('\n');
    expect(lines.filter((line) => line === '-D OUTPUT -o net1 -j RETURN')).toHaveLength(1);
    expect(lines).toContain('-D OUTPUT -j ISTIO_OUTPUT');
  });

  test('deletes jumps before chains and flushes all chains before deleting one, for every case of the contract', () => {
    for (const { name, config } of readContractCases()) {
      const rules = planRules(config).v4;
      const lines = formatCleanup([rules], state(saved(rules))).split('\n');
      for (const table of rules.tables) {
        for (const chain of table.chains) expect(lines, name).toEqual(expect.arrayContaining([`-F ${chain}`, `-X ${chain}`]));
      }
      const verbs = lines.map((line) => line.slice(0, 2)).filter((verb) => verb.startsWith('-') || verb === '* ');
      expect(verbs.join(''), name).toMatch(/^(\* (-D)*(-F)+(-X)+)+$/);
    }
  });

  test('keeps the chain that it is told to keep, with the jumps to it', () => {
    const guarded = '*filter\n:OUTPUT ACCEPT [0:0]\n:ISTIO_GUARD - [0:0]\n-A OUTPUT -j ISTIO_GUARD\n-A ISTIO_GUARD -j DROP\nCOMMIT\n';
    expect(formatCleanup([bare], state(guarded), 'ISTIO_GUARD')).toBe('');
    expect(formatCleanup([bare], state(guarded))).toBe('* filter\n-D OUTPUT -j ISTIO_GUARD\n-F ISTIO_GUARD\n-X ISTIO_GUARD\nCOMMIT\n');
  });
});

describe('isEmptyState()', () => {
  test.each([
    ['nothing printed', '', true],
    ['tables without rules', '*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n', true],
    ['a rule', '*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j ACCEPT\nCOMMIT\n', false],
    ['a chain of somebody', '*nat\n:OUTPUT ACCEPT [0:0]\n:MINE - [0:0]\nCOMMIT\n', false],
    ['a policy that drops', '*filter\n:INPUT DROP [0:0]\nCOMMIT\n', false],
  ])('judges %s', (_what, text, expected) => expect(isEmptyState(state(text))).toBe(expected));
});

describe('isEmptyNftRuleset()', () => {
  const frame = (body: string, policy = 'accept') =>
    `table ip nat {\n\tchain OUTPUT {\n\t\ttype nat hook output priority -100; policy ${policy};\n${body}\t}\n}\n`;
  test.each([
    ['nothing printed', '', true],
    ['frames alone', `# Warning: table ip nat is managed by iptables-nft, do not touch!\n${frame('')}`, true],
    ['a rule', frame('\t\tcounter packets 0 bytes 0 jump ISTIO_OUTPUT\n'), false],
    ['a policy that drops', frame('', 'drop'), false],
    ['a set', 'table inet x {\n\tset s {\n\t\ttype ipv4_addr\n\t}\n}\n', false],
  ])('judges %s', (_what, text, expected) => expect(isEmptyNftRuleset(text)).toBe(expected));
});
