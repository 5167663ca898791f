import { describe, expect, test } from 'vitest';
import { UserError } from '../../base/errors.ts';
import type { RedirectConfig } from '../../pods/types.ts';
import { parseIptablesConfig } from './config.ts';
import { fromRedirectConfig } from './from-redirect-config.ts';
import { readContractDefaults } from './testdata/read-cases.ts';
import { defaultIptablesConfig } from './types.ts';

function refusal(value: unknown): UserError {
  try {
    parseIptablesConfig(value);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error(`accepted ${JSON.stringify(value)}`);
}

describe('parseIptablesConfig()', () => {
  test('takes the defaults of the contract data when nothing is named', () => {
    expect(parseIptablesConfig({})).toEqual(defaultIptablesConfig);
    expect(defaultIptablesConfig).toMatchObject(readContractDefaults());
    const rest = Object.entries(defaultIptablesConfig).filter(([key]) => !(key in readContractDefaults()));
    expect(rest.filter(([, value]) => value !== '' && value !== false && !(Array.isArray(value) && value.length === 0))).toEqual([]);
  });

  test('accepts trailing commas, host bits and a mask of 0 (FIL-13, FIL-15)', () => {
    const config = { OutboundIPRangesExclude: '127.0.0.1/8,0.0.0.0/0,', InboundPortsExclude: '6000,7000,', DNSServersV6: ['fd00::53'] };
    expect(parseIptablesConfig(config)).toEqual({ ...defaultIptablesConfig, ...config });
  });

  const groups65 = Array.from({ length: 65 }, (_, index) => index).join(',');
  const refused: [string, unknown, string][] = [
    ['is no object', ['*'], 'is not an object'],
    ['is null', null, 'is not an object'],
    ['has an unknown key', { ProxyPorts: 15001 }, '"ProxyPorts" is unknown'],
    ['has a key of Object.prototype', JSON.parse('{"constructor": 1}'), '"constructor" is unknown'],
    ['has a bad range', { OutboundIPRangesInclude: '10.0.0.0/33' }, '"10.0.0.0/33"'],
    ['has a range without a length', { OutboundIPRangesInclude: '10.0.0.0' }, '"10.0.0.0"'],
    ['has a star among ranges', { OutboundIPRangesInclude: '*,10.0.0.0/8' }, '"*"'],
    ['has a star among the excluded ranges', { OutboundIPRangesExclude: '*' }, 'would exclude everything'],
    ['has port 0 in a list', { OutboundPortsExclude: '0' }, 'not a port'],
    ['has a port above 65535 in a list', { InboundPortsInclude: '80,65536' }, '"65536"'],
    ['has a star among excluded ports', { InboundPortsExclude: '*' }, 'not a port'],
    ['has a port as text', { ProxyPort: '15001' }, 'not a port'],
    ['has a broken port', { InboundCapturePort: 15006.5 }, 'not a port'],
    ['has a loopback outside 127.0.0.0/8', { HostIPv4LoopbackCidr: '10.0.0.1/32' }, '127.0.0.0/8'],
    ['has a loopback wider than 127.0.0.0/8', { HostIPv4LoopbackCidr: '127.0.0.1/7' }, '127.0.0.0/8'],
    ['has an IPv6 loopback', { HostIPv4LoopbackCidr: '::1/128' }, '127.0.0.0/8'],
    ['has 65 owner groups', { OwnerGroupsInclude: groups65 }, '65 entries'],
    ['has 65 excluded owner groups', { OwnerGroupsExclude: groups65 }, '65 entries'],
    ['has an owner that smuggles an option', { ProxyUID: '1337 -j ACCEPT' }, 'neither an id nor a name'],
    ['has an owner with a line break', { OwnerGroupsInclude: 'java\nCOMMIT' }, 'neither an id nor a name'],
    ['names no user', { ProxyUID: ',' }, 'names no user'],
    ['has an unknown mode', { InboundInterceptionMode: 'redirect' }, 'REDIRECT, TPROXY or NONE'],
    ['has an interface name that is an option', { ExcludeInterfaces: '-j' }, 'not an interface name'],
    ['has an interface name of 16 characters', { RerouteVirtualInterfaces: 'abcdefghijklmnop' }, 'not an interface name'],
    ['has a DNS server of the other family', { DNSServersV4: ['::1'] }, 'IPv4 addresses'],
    ['has a flag as text', { EnableIPv6: 'true' }, 'true or false'],
    ['has a list where text belongs', { InboundPortsInclude: [80] }, 'not a string'],
    ['has a mark that is no number', { InboundTProxyMark: '0x539' }, 'decimal number'],
    ['has the mark of outbound packets', { InboundTProxyMark: '1338' }, 'outbound'],
    ['has the main routing table', { InboundTProxyRouteTable: '254' }, 'main'],
  ];
  for (const [why, value, words] of refused) {
    test(`refuses the configuration when it ${why}`, () => {
      const error = refusal(value);
      expect(error.code).toBe('IPTABLES_CONFIG');
      expect(error.message).toMatch(/^Cannot plan iptables rules because /);
      expect(error.message).toContain(words);
      expect(error.cure).not.toBe('');
    });
  }
});

describe('fromRedirectConfig()', () => {
  const pod: RedirectConfig = {
    interceptionMode: 'REDIRECT',
    outboundPort: 15001,
    inboundPort: 15006,
    tunnelPort: 15008,
    proxyUids: [1337],
    proxyGids: [1337, 2000],
    inboundPorts: { kind: 'all', except: [15090, 15021, 15020] },
    outboundRanges: { kind: 'all' },
    outboundRangesExcluded: [{ family: 4, address: Uint8Array.of(198, 51, 100, 0), prefix: 24 }],
    outboundPortsIncluded: [31000],
    outboundPortsExcluded: [15020],
    loopback: { family: 4, address: Uint8Array.of(127, 0, 0, 1), prefix: 32 },
    excludeInterfaces: ['net1'],
    rerouteInterfaces: [],
    dns: { kind: 'off' },
    ownerGroups: { kind: 'all', except: [] },
    dropInvalid: false,
    ipv6: true,
    acceleration: 'proxy',
    direct: false,
  };

  test('writes the lists as text when everything is captured', () => {
    expect(fromRedirectConfig(pod)).toEqual({
      ...defaultIptablesConfig,
      InboundInterceptionMode: 'REDIRECT',
      ProxyGID: '1337,2000',
      InboundPortsInclude: '*',
      InboundPortsExclude: '15090,15021,15020',
      OutboundIPRangesInclude: '*',
      OutboundIPRangesExclude: '198.51.100.0/24',
      OutboundPortsInclude: '31000',
      OutboundPortsExclude: '15020',
      ExcludeInterfaces: 'net1',
      EnableIPv6: true,
    });
  });

  test('writes ranges of both families and passes its own validation when only some are captured', () => {
    const cidrs = [
      { family: 4, address: Uint8Array.of(10, 96, 0, 0), prefix: 16 },
      { family: 6, address: Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), prefix: 32 },
    ] as const;
    const config = fromRedirectConfig(
      {
        ...pod,
        ipv6: false,
        inboundPorts: { kind: 'only', ports: [] },
        outboundRanges: { kind: 'only', cidrs },
        dns: { kind: 'all', port: 15053 },
        ownerGroups: { kind: 'only', gids: [2000] },
      },
      { dualStack: true },
    );
    expect(config).toMatchObject({
      InboundPortsInclude: '',
      InboundPortsExclude: '',
      OutboundIPRangesInclude: '10.96.0.0/16,2001:db8::/32',
      EnableIPv6: false,
      DualStack: true,
      RedirectDNS: true,
      CaptureAllDNS: true,
      OwnerGroupsInclude: '2000',
    });
    expect(parseIptablesConfig(config)).toEqual(config);
  });
});
