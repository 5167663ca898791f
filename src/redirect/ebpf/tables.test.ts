import { describe, expect, it } from 'vitest';
import { PodFlags, PortFlags, podCodec, Size } from '../../abi/gen/index.ts';
import { formatIp, parseCidr, parseIp } from '../../pods/address.ts';
import { defaultRedirectConfig } from '../../pods/annotations.ts';
import type { RedirectConfig } from '../../pods/types.ts';
import type { PodFacts } from './tables.ts';
import { compileTables } from './tables.ts';

function addresses(...texts: readonly string[]): PodFacts['addresses'] {
  return texts.flatMap((text) => parseIp(text) ?? []);
}

const facts: PodFacts = {
  name: 'test/pod',
  cookie: 42n,
  addresses: addresses('10.9.0.2', '10.9.0.22', 'fd00:9::2'),
  localAddresses: addresses('127.0.0.1', '10.9.0.2', '10.9.0.22', 'fd00:9::2'),
  interfaces: new Map([['net1', 7]]),
  routes: [],
  secondaries: [],
  interfaceAddresses: [],
  forwarding: false,
  backend: 'sk_lookup',
  meshed: true,
  uidMap: null,
  spread6: true,
};

function compile(wanted: Partial<PodFacts> = {}, config: Partial<RedirectConfig> = {}) {
  return compileTables({ ...facts, ...wanted }, { ...defaultRedirectConfig, ...config });
}

/** Names of the bits that are set. */
function flags(value: number): readonly string[] {
  return Object.entries(PodFlags)
    .filter(([, bit]) => (value & bit) !== 0)
    .map(([name]) => name)
    .sort();
}

const always = ['ACCELERATE', 'INBOUND_ALL', 'IPV6', 'OUTBOUND_ALL', 'SPREAD6', 'TRANSLATE'];

describe('compileTables()', () => {
  it.each<[what: string, wanted: Partial<PodFacts>, config: Partial<RedirectConfig>, expected: readonly string[]]>([
    ['sk_lookup redirects', {}, {}, [...always, 'INBOUND_LOOKUP', 'OUTBOUND']],
    ['bind redirects', { backend: 'bind' }, {}, [...always, 'INBOUND_BIND', 'OUTBOUND']],
    ['iptables redirects', { backend: 'iptables' }, {}, always],
    ['the pod is not meshed', { meshed: false }, {}, ['TRANSLATE']],
    ['its owner speaks for its applications', { meshed: false }, { acceleration: 'all' }, ['ACCELERATE_APPS', 'TRANSLATE']],
    [
      'nobody is to be accelerated',
      {},
      { acceleration: 'none' },
      [...always.filter((flag) => flag !== 'ACCELERATE'), 'INBOUND_LOOKUP', 'OUTBOUND'],
    ],
    ['it is joined to others', {}, { direct: true }, [...always, 'DIRECT', 'INBOUND_LOOKUP', 'OUTBOUND']],
    ['the mode is NONE', {}, { interceptionMode: 'NONE' }, ['TRANSLATE']],
    [
      'IPv6 is left alone',
      { spread6: false },
      { ipv6: false },
      ['ACCELERATE', 'INBOUND_ALL', 'INBOUND_LOOKUP', 'OUTBOUND', 'OUTBOUND_ALL', 'TRANSLATE'],
    ],
  ])('sets the flags when %s', (_what, wanted, config, expected) => {
    expect(flags(compile(wanted, config).pod.flags)).toEqual([...expected].sort());
  });

  it('keeps the lists in ports and ranges when they are lists', () => {
    const { pod, ports, ranges } = compile(
      {},
      {
        inboundPorts: { kind: 'only', ports: [8080, 443] },
        outboundRanges: { kind: 'only', cidrs: [parseCidr('127.0.0.0/8') ?? defaultRedirectConfig.loopback] },
        outboundPortsIncluded: [443],
        outboundPortsExcluded: [443, 9300],
      },
    );
    expect(flags(pod.flags)).toEqual(['ACCELERATE', 'INBOUND_LOOKUP', 'IPV6', 'LOOPBACK_INCLUDED', 'OUTBOUND', 'SPREAD6', 'TRANSLATE']);
    expect(Object.fromEntries(ports.map(([{ port }, value]) => [port, value.flags]))).toEqual({
      443: PortFlags.OUTBOUND_EXCLUDE | PortFlags.OUTBOUND_INCLUDE | PortFlags.INBOUND_INCLUDE,
      8080: PortFlags.INBOUND_INCLUDE,
      9300: PortFlags.OUTBOUND_EXCLUDE,
    });
    expect([...ports, ...ranges].every(([{ cookie }]) => cookie === 42n)).toBe(true);
    // prefix lengths count 96 bits of family and cookie, and for IPv4 the 96 bits before it
    expect(ranges.every(([{ prefixlen, family }]) => prefixlen >= (family === 4 ? 192 : 96) && prefixlen <= 224)).toBe(true);
  });

  it('excludes the proxy’s own ports when all inbound ports are captured', () => {
    const { ports } = compile();
    expect(ports.map(([{ port }, value]) => [port, value.flags])).toEqual(
      [15090, 15021, 15020].map((port) => [port, PortFlags.INBOUND_EXCLUDE]),
    );
  });

  it('has no ports, no owners and no lists when the pod is not redirected', () => {
    const { pod, ports, ranges } = compile(
      { meshed: false },
      { outboundPortsExcluded: [443], outboundRangesExcluded: [parseCidr('10.0.0.0/8') ?? defaultRedirectConfig.loopback] },
    );
    expect(ports).toEqual([]);
    expect([pod.uidCount, pod.gidCount]).toEqual([0, 0]);
    expect(ranges).toHaveLength(6);
  });

  it('names the first address of each family, or none, as the source', () => {
    const shown = (bytes: Uint8Array) => formatIp({ family: 6, bytes });
    expect([shown(compile().pod.addr4), shown(compile().pod.addr6)]).toEqual(['::ffff:10.9.0.2', 'fd00:9::2']);
    expect(shown(compile({ addresses: addresses('10.9.0.2') }).pod.addr6)).toBe('::');
  });

  it('translates ids when the pod has a user namespace, and leaves out what it does not map', () => {
    const { pod } = compile({ uidMap: '0 200000 2000\n' }, { proxyUids: [1337, 5000], proxyGids: [1337] });
    expect([pod.uidCount, pod.uids[0], pod.gidCount, pod.gids[0]]).toEqual([1, 201_337, 1, 201_337]);
  });

  it('takes as many owners as the table holds and no more', () => {
    const ids = Array.from({ length: Size.OWNERS }, (_, index) => 1000 + index);
    expect(compile({}, { proxyUids: ids, proxyGids: ids }).pod.uids).toEqual(ids);
    for (const config of [{ proxyUids: [...ids, 1] }, { proxyGids: [...ids, 1] }]) {
      expect(() => compile({}, config)).toThrow(expect.objectContaining({ name: 'UserError', code: 'ANNOTATION_INVALID' }));
    }
  });

  it('makes a row that fits the kernel’s layout', () => {
    const { pod } = compile({}, { excludeInterfaces: ['net1', 'absent'] });
    const view = new DataView(new ArrayBuffer(podCodec.size));
    podCodec.write(view, 0, pod);
    expect(podCodec.read(view, 0)).toEqual(pod);
    expect(pod.excludedInterfaces).toEqual([7, ...Array.from({ length: Size.INTERFACES - 1 }, () => 0)]);
  });
});
