import { describe, expect, test } from 'vitest';
import { parseIptablesConfig } from './config.ts';
import { formatPlan, formatRuleSet } from './format.ts';
import { planRules } from './rules.ts';
import { readContractCases, readGivenConfigs } from './testdata/read-cases.ts';

const cases = readContractCases();

function v4Lines(config: object): string[] {
  return formatRuleSet(planRules(parseIptablesConfig(config)).v4).split('\n');
}

function chainLines(config: object, chain: string): string[] {
  return v4Lines(config)
    .filter((line) => line.startsWith(`-A ${chain} `))
    .map((line) => line.slice(`-A ${chain} `.length));
}

describe('the contract data', () => {
  test('holds the twenty cases', () => expect(cases).toHaveLength(20));

  test('contradicts itself: empty and kube-virt-interfaces have one configuration and two sets of rules', () => {
    const given = readGivenConfigs();
    expect(given.get('empty')).toEqual(given.get('kube-virt-interfaces'));
    expect(cases.find((entry) => entry.name === 'empty')?.lines).not.toBe(
      cases.find((entry) => entry.name === 'kube-virt-interfaces')?.lines,
    );
  });

  for (const { name, config, lines } of cases) {
    test(`formatPlan() prints the contract's lines when the case is ${name}`, () => {
      expect(formatPlan(planRules(config))).toBe(lines);
    });
  }
});

describe('planRules()', () => {
  test('plans nothing when the mode is NONE', () => {
    const plan = planRules(parseIptablesConfig({ InboundInterceptionMode: 'NONE', InboundPortsInclude: '*', EnableIPv6: true }));
    expect(plan).toEqual({ v4: { family: 4, tables: [] }, v6: { family: 6, tables: [] } });
  });

  test('exempts TCP and UDP of an excluded port before every other outbound rule when OutboundPortsExclude is set (FIL-01)', () => {
    expect(chainLines({ OutboundPortsExclude: '53,9300', RedirectDNS: true, CaptureAllDNS: true }, 'ISTIO_OUTPUT').slice(0, 5)).toEqual([
      '-p tcp --dport 53 -j RETURN',
      '-p udp --dport 53 -j RETURN',
      '-p tcp --dport 9300 -j RETURN',
      '-p udp --dport 9300 -j RETURN',
      '-o lo -s 127.0.0.6/32 -j RETURN',
    ]);
  });

  test('ignores the inbound exclude list when the include list names ports (IN-10)', () => {
    const config = { InboundPortsInclude: '8080,15020', InboundPortsExclude: '8080' };
    expect(chainLines(config, 'ISTIO_INBOUND')).toEqual([
      '-p tcp --dport 15008 -j RETURN',
      '-p tcp --dport 8080 -j ISTIO_IN_REDIRECT',
      '-p tcp --dport 15020 -j ISTIO_IN_REDIRECT',
    ]);
  });

  test('exempts the inbound exclude list before the capture when everything is included (IN-06)', () => {
    const config = { InboundPortsInclude: '*', InboundPortsExclude: '15090,15021,' };
    expect(chainLines(config, 'ISTIO_INBOUND')).toEqual([
      '-p tcp --dport 15008 -j RETURN',
      '-p tcp --dport 15090 -j RETURN',
      '-p tcp --dport 15021 -j RETURN',
      '-p tcp -j ISTIO_IN_REDIRECT',
    ]);
  });

  test('leaves out the early return for loopback traffic when a loopback range is included (FIL-07)', () => {
    const lines = chainLines({ OutboundIPRangesInclude: '127.0.0.0/8,10.0.0.0/8' }, 'ISTIO_OUTPUT');
    expect(lines.filter((line) => line.includes('! --uid-owner') || line.includes('! --gid-owner'))).toEqual([]);
    expect(lines.slice(-2)).toEqual(['-d 127.0.0.0/8 -j ISTIO_REDIRECT', '-d 10.0.0.0/8 -j ISTIO_REDIRECT']);
  });

  test('prints the loopback range as it is written when HostIPv4LoopbackCidr has host bits (FIL-10)', () => {
    const lines = chainLines({ HostIPv4LoopbackCidr: '127.0.0.1/8' }, 'ISTIO_OUTPUT');
    expect(lines.filter((line) => line.includes('-d 127.0.0.1/8'))).toHaveLength(3);
  });

  test('splits a mixed list by family when both are planned (FIL-14)', () => {
    const plan = planRules(parseIptablesConfig({ OutboundIPRangesExclude: '10.0.0.0/8,fd00::/8', EnableIPv6: true }));
    expect(formatRuleSet(plan.v4)).toContain('-A ISTIO_OUTPUT -d 10.0.0.0/8 -j RETURN');
    expect(formatRuleSet(plan.v4)).not.toContain('fd00');
    expect(plan.v6 === null ? '' : formatRuleSet(plan.v6)).toContain('-A ISTIO_OUTPUT -d fd00::/8 -j RETURN');
  });

  test('writes a v4-mapped range as the IPv4 range that it stands for', () => {
    const plan = planRules(parseIptablesConfig({ OutboundIPRangesExclude: '::ffff:10.0.0.0/104', EnableIPv6: true }));
    expect(formatRuleSet(plan.v4)).toContain('-A ISTIO_OUTPUT -d 10.0.0.0/8 -j RETURN');
    expect(plan.v6 === null ? '' : formatRuleSet(plan.v6)).not.toContain('10.0.0.0');
  });

  test('captures all DNS of both protocols and parts its zones when CaptureAllDNS is set', () => {
    const lines = v4Lines({ RedirectDNS: true, CaptureAllDNS: true });
    expect(lines.filter((line) => line.startsWith('-A ISTIO_OUTPUT_DNS ') && !line.includes('owner'))).toEqual([
      '-A ISTIO_OUTPUT_DNS -p tcp --dport 53 -j REDIRECT --to-ports 15053',
      '-A ISTIO_OUTPUT_DNS -p udp --dport 53 -j REDIRECT --to-port 15053',
      '-A ISTIO_OUTPUT_DNS -p udp --dport 53 -j CT --zone 2',
    ]);
    expect(lines).toContain('-A ISTIO_INBOUND -p udp --sport 53 -j CT --zone 1');
  });

  test('switches DNS capture off when no server is known and not all is captured (DNS-20)', () => {
    expect(v4Lines({ RedirectDNS: true })).toEqual(v4Lines({}));
  });

  test('captures nobody when the list of owner groups is empty', () => {
    expect(chainLines({ OwnerGroupsInclude: '' }, 'ISTIO_OUTPUT')).toContain('-j RETURN');
  });

  test('takes the users as groups when ProxyGID is empty', () => {
    expect(v4Lines({ ProxyUID: '7,8', ProxyGID: '' })).toEqual(v4Lines({ ProxyUID: '7,8', ProxyGID: '7,8' }));
  });

  test('plans IPv6 when DualStack alone is set', () => {
    expect(planRules(parseIptablesConfig({ DualStack: true })).v6?.family).toBe(6);
  });

  test('makes every chain that a rule jumps to, for every case of the contract', () => {
    for (const { name, config } of cases) {
      const plan = planRules(config);
      for (const table of [...plan.v4.tables, ...(plan.v6?.tables ?? [])]) {
        const targets = table.rules
          .map((rule) => rule.spec[rule.spec.indexOf('-j') + 1] ?? '')
          .filter((target) => target.startsWith('ISTIO_'));
        expect(table.chains, name).toEqual(expect.arrayContaining(targets));
      }
    }
  });
});
