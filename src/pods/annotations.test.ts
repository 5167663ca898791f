import { describe, expect, it } from 'vitest';
import { formatCidr } from './address.ts';
import { defaultRedirectConfig, redirectAnnotations, redirectConfigFromAnnotations } from './annotations.ts';
import type { RedirectConfig } from './types.ts';

const traffic = (name: string) => `traffic.sidecar.istio.io/${name}`;

/** The configuration with ranges as text, which a reader can check. */
function plain(config: RedirectConfig) {
  const { outboundRanges } = config;
  return {
    ...config,
    outboundRanges: outboundRanges.kind === 'all' ? '*' : outboundRanges.cidrs.map(formatCidr),
    outboundRangesExcluded: config.outboundRangesExcluded.map(formatCidr),
    loopback: formatCidr(config.loopback),
  };
}

const defaults = plain(defaultRedirectConfig);
const all = (...ports: number[]): RedirectConfig['inboundPorts'] => ({ kind: 'all', except: [15090, 15021, 15020, ...ports] });
const ports = (...list: number[]): RedirectConfig['inboundPorts'] => ({ kind: 'only', ports: list });

describe('redirectConfigFromAnnotations()', () => {
  it('is what the injector sets up when there are no annotations', () => {
    expect(plain(redirectConfigFromAnnotations('demo/a', {}))).toEqual({
      interceptionMode: 'REDIRECT',
      outboundPort: 15001,
      inboundPort: 15006,
      tunnelPort: 15008,
      proxyUids: [1337],
      proxyGids: [1337],
      inboundPorts: all(),
      outboundRanges: '*',
      outboundRangesExcluded: [],
      outboundPortsIncluded: [],
      outboundPortsExcluded: [],
      loopback: '127.0.0.1/32',
      excludeInterfaces: [],
      rerouteInterfaces: [],
      dns: { kind: 'off' },
      ownerGroups: { kind: 'all', except: [] },
      dropInvalid: false,
      ipv6: true,
      acceleration: 'proxy',
      direct: false,
    });
  });

  const cases: readonly (readonly [string, Record<string, string>, Partial<typeof defaults>])[] = [
    ['FIL-01', { [traffic('excludeOutboundPorts')]: '443,9300' }, { outboundPortsExcluded: [443, 9300] }],
    ['FIL-02', { [traffic('excludeOutboundIPRanges')]: '198.51.100.0/24' }, { outboundRangesExcluded: ['198.51.100.0/24'] }],
    ['FIL-03', { [traffic('includeOutboundIPRanges')]: '10.96.0.0/16' }, { outboundRanges: ['10.96.0.0/16'] }],
    [
      'FIL-04',
      { [traffic('includeOutboundIPRanges')]: '10.96.0.0/16', [traffic('includeOutboundPorts')]: '31000' },
      { outboundRanges: ['10.96.0.0/16'], outboundPortsIncluded: [31000] },
    ],
    [
      'FIL-05',
      { [traffic('excludeOutboundIPRanges')]: '10.96.5.0/24', [traffic('includeOutboundPorts')]: '31000' },
      { outboundRangesExcluded: ['10.96.5.0/24'], outboundPortsIncluded: [31000] },
    ],
    ['FIL-06', { [traffic('includeOutboundIPRanges')]: '' }, { outboundRanges: [] }],
    ['FIL-07', { [traffic('includeOutboundIPRanges')]: '127.0.0.0/8,10.0.0.0/8' }, { outboundRanges: ['127.0.0.0/8', '10.0.0.0/8'] }],
    ['FIL-12', { [traffic('excludeInterfaces')]: 'net1' }, { excludeInterfaces: ['net1'] }],
    ['FIL-13', { [traffic('excludeOutboundIPRanges')]: '127.0.0.1/8,0.0.0.0/0' }, { outboundRangesExcluded: ['127.0.0.0/8', '0.0.0.0/0'] }],
    ['FIL-14', { [traffic('includeOutboundIPRanges')]: '10.0.0.0/8, 2001:db8::/32' }, { outboundRanges: ['10.0.0.0/8', '2001:db8::/32'] }],
    ['FIL-15', { [traffic('excludeOutboundPorts')]: '80,, 81 ,80,' }, { outboundPortsExcluded: [80, 81] }],
    [
      'IN-10',
      { [traffic('includeInboundPorts')]: '8080,15020', [traffic('excludeInboundPorts')]: '8080' },
      { inboundPorts: ports(8080, 15020) },
    ],
    ['IN-11', { [traffic('includeInboundPorts')]: '' }, { inboundPorts: ports() }],
    ['IN-18', { 'istio.io/reroute-virtual-interfaces': 'net1' }, { rerouteInterfaces: ['net1'] }],
    ['all inbound ports by *', { [traffic('includeInboundPorts')]: '*' }, { inboundPorts: all() }],
    ['all ranges by *', { [traffic('includeOutboundIPRanges')]: ' * ' }, { outboundRanges: '*' }],
    ['inbound excludes beside the sidecar’s own', { [traffic('excludeInboundPorts')]: '9000,15020' }, { inboundPorts: all(9000) }],
    ['a status port', { 'status.sidecar.istio.io/port': '15030' }, { inboundPorts: all(15030) }],
    ['no status port', { 'status.sidecar.istio.io/port': '0' }, { inboundPorts: all() }],
    [
      'empty lists',
      { [traffic('excludeInboundPorts')]: '', [traffic('excludeOutboundIPRanges')]: '', [traffic('includeOutboundPorts')]: '' },
      {},
    ],
    ['a mode', { 'sidecar.istio.io/interceptionMode': 'TPROXY' }, { interceptionMode: 'TPROXY' }],
    ['no redirection', { 'sidecar.istio.io/interceptionMode': 'NONE' }, { interceptionMode: 'NONE' }],
    ['the deprecated name of rerouting', { [traffic('kubevirtInterfaces')]: 'tap0,tap1' }, { rerouteInterfaces: ['tap0', 'tap1'] }],
    [
      'both names of rerouting',
      { [traffic('kubevirtInterfaces')]: 'tap0', 'istio.io/reroute-virtual-interfaces': 'net1' },
      { rerouteInterfaces: ['net1'] },
    ],
    [
      'an empty new name of rerouting',
      { [traffic('kubevirtInterfaces')]: 'tap0', 'istio.io/reroute-virtual-interfaces': '' },
      { rerouteInterfaces: [] },
    ],
    ['annotations of others', { 'millrace.io/other': 'off', 'sidecar.istio.io/inject': 'true', 'example.com/x': '*' }, {}],
  ];
  it.each(cases)('reads the configuration of %s', (_name, annotations, expected) => {
    expect(plain(redirectConfigFromAnnotations('demo/a', annotations))).toEqual({ ...defaults, ...expected });
  });

  it('puts annotations over the defaults given, and an empty annotation over both', () => {
    const given: Partial<RedirectConfig> = {
      outboundPortsExcluded: [15020],
      proxyUids: [3, 4],
      inboundPorts: { kind: 'all', except: [1] },
      ipv6: false,
    };
    const without = redirectConfigFromAnnotations('a', { [traffic('excludeInboundPorts')]: '2' }, given);
    expect(without).toMatchObject({
      outboundPortsExcluded: [15020],
      proxyUids: [3, 4],
      inboundPorts: { kind: 'all', except: [1, 2] },
      ipv6: false,
    });
    expect(redirectConfigFromAnnotations('a', { [traffic('excludeOutboundPorts')]: '' }, given).outboundPortsExcluded).toEqual([]);
    expect(
      redirectConfigFromAnnotations('a', { [traffic('includeInboundPorts')]: '*' }, { inboundPorts: { kind: 'only', ports: [5] } })
        .inboundPorts,
    ).toEqual(all());
    expect(
      redirectConfigFromAnnotations('a', { [traffic('excludeInboundPorts')]: '5' }, { inboundPorts: { kind: 'only', ports: [5] } })
        .inboundPorts,
    ).toEqual(ports(5));
  });

  it.each([
    [redirectAnnotations.interceptionMode, 'redirect', 'REDIRECT, TPROXY or NONE'],
    [redirectAnnotations.interceptionMode, '', 'REDIRECT, TPROXY or NONE'],
    [redirectAnnotations.statusPort, 'x', 'ports from 1 to 65535'],
    [redirectAnnotations.includeInboundPorts, '80,*', "'*', or ports"],
    [redirectAnnotations.excludeInboundPorts, '*', 'Allowed: ports from'],
    [redirectAnnotations.excludeInboundPorts, '0', 'ports from 1'],
    [redirectAnnotations.excludeOutboundPorts, '65536', 'to 65535'],
    [redirectAnnotations.excludeOutboundPorts, '80-90', 'ports'],
    [redirectAnnotations.includeOutboundPorts, '-1', 'ports'],
    [redirectAnnotations.includeOutboundPorts, '8e1', 'ports'],
    [redirectAnnotations.includeOutboundIpRanges, '10.0.0.0/8,*', "'*', or ranges"],
    [redirectAnnotations.includeOutboundIpRanges, '10.0.0.1', 'ranges like'],
    [redirectAnnotations.excludeOutboundIpRanges, '*', 'Allowed: ranges like'],
    [redirectAnnotations.excludeOutboundIpRanges, '10.0.0.0/33', 'ranges like'],
    [redirectAnnotations.excludeInterfaces, 'a/b', 'names of interfaces'],
    [redirectAnnotations.rerouteInterfaces, 'abcdefghijklmnop', '1 to 15 characters'],
    [redirectAnnotations.kubevirtInterfaces, '..', 'names of interfaces'],
  ])('names annotation, pod and what is allowed when %s is %j', (annotation, value, allowed) => {
    expect(() => redirectConfigFromAnnotations('demo/sleep', { [annotation]: value })).toThrow(
      expect.objectContaining({
        code: 'ANNOTATION_INVALID',
        message: expect.stringMatching(new RegExp(`${annotation.replaceAll('.', '\\.')} of pod demo/sleep .*: current value `)),
        cure: expect.stringContaining(allowed),
        data: { pod: 'demo/sleep', annotation, value },
      }),
    );
  });
});
