import { describe, expect, it } from 'vitest';
import { redirectConfigFromAnnotations } from './annotations.ts';
import { settingsFromProxyConfig } from './proxy-metadata.ts';

const metadata = (entries: Record<string, unknown>): string =>
  JSON.stringify({ holdApplicationUntilProxyStarts: true, proxyMetadata: entries });

describe('settingsFromProxyConfig()', () => {
  it.each([
    ['nothing', '{}', {}],
    ['an empty text', '', {}],
    ['DNS capture', metadata({ ISTIO_META_DNS_CAPTURE: 'true' }), { dns: { kind: 'all', port: 15053 } }],
    ['DNS capture as YAML', 'proxyMetadata:\n  ISTIO_META_DNS_CAPTURE: true\n', { dns: { kind: 'all', port: 15053 } }],
    ['DNS capture that is off', metadata({ ISTIO_META_DNS_CAPTURE: 'false' }), {}],
    ['groups', metadata({ ISTIO_OUTBOUND_OWNER_GROUPS: '2000, 3000,' }), { ownerGroups: { kind: 'only', gids: [2000, 3000] } }],
    ['all groups but some', metadata({ ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '2000' }), { ownerGroups: { kind: 'all', except: [2000] } }],
    ['no group at all', metadata({ ISTIO_OUTBOUND_OWNER_GROUPS: '' }), { ownerGroups: { kind: 'only', gids: [] } }],
    ['invalid packets', metadata({ INVALID_DROP: 'true' }), { dropInvalid: true }],
    [
      'a loopback range',
      metadata({ ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '127.0.0.1/8' }),
      { loopback: { family: 4, address: Uint8Array.of(127, 0, 0, 0), prefix: 8 } },
    ],
    ['keys of no concern', metadata({ ISTIO_META_FOO: 'bar' }), {}],
  ])('reads %s', (_what, text, expected) => {
    expect(settingsFromProxyConfig(text)).toEqual(expected);
  });
});

describe('redirectConfigFromAnnotations()', () => {
  it.each([
    ['broken YAML', '{', /is not YAML/],
    ['metadata that is no map', '{"proxyMetadata": 5}', /proxyMetadata\\" is not a map|"proxyMetadata" is not a map/],
    ['a flag that is none', metadata({ ISTIO_META_DNS_CAPTURE: 'yes' }), /"yes" is not a value of ISTIO_META_DNS_CAPTURE/],
    ['a group name', metadata({ ISTIO_OUTBOUND_OWNER_GROUPS: 'wheel' }), /"wheel" is not a group id/],
    ['65 groups', metadata({ ISTIO_OUTBOUND_OWNER_GROUPS: Array.from({ length: 65 }, (_, i) => i).join(',') }), /too many/],
    ['a loopback range elsewhere', metadata({ ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '10.0.0.0/8' }), /is not a range of loopback/],
  ])('refuses %s, naming annotation and pod', (_what, text, message) => {
    const read = () => redirectConfigFromAnnotations('demo/a', { 'proxy.istio.io/config': text });
    expect(read).toThrow(message);
    expect(read).toThrow(/annotation proxy\.istio\.io\/config of pod demo\/a/);
  });
});
