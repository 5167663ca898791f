import { parse } from 'yaml';
import { parseCidr } from './address.ts';
import type { Port, RedirectConfig } from './types.ts';

/** Istio's annotation with a pod's ProxyConfig; the settings of redirection stand in its proxyMetadata (contract A.1). */
export const proxyConfigAnnotation = 'proxy.istio.io/config';

/** The DNS port of Istio's agent. */
const dnsPort: Port = 15053;
const maximumGroups = 64;

type Settings = Pick<RedirectConfig, 'dns' | 'ownerGroups' | 'dropInvalid' | 'loopback'>;

/** Why a text cannot be used: `item` is what is wrong, `allowed` what would be right. */
export class MetadataProblem extends Error {
  readonly item: string;
  readonly reason: string;
  readonly allowed: string;

  constructor(item: string, reason: string, allowed: string) {
    super(`${item} ${reason}`);
    this.item = item;
    this.reason = reason;
    this.allowed = allowed;
  }
}

/**
 * Reads the settings of redirection from the text of `proxy.istio.io/config` (YAML). Keys of no concern are passed over. DNS capture is that of
 * the CNI plugin: all of port 53, whatever server. Throws MetadataProblem.
 */
export function settingsFromProxyConfig(text: string): Partial<Settings> {
  const metadata = proxyMetadata(text);
  const groups = metadata.get('ISTIO_OUTBOUND_OWNER_GROUPS');
  const exceptGroups = metadata.get('ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE');
  return {
    ...(flag(metadata, 'ISTIO_META_DNS_CAPTURE') ? { dns: { kind: 'all', port: dnsPort } } : {}),
    ...(groups === undefined && exceptGroups === undefined ? {} : { ownerGroups: ownerGroups(groups ?? '*', exceptGroups ?? '') }),
    ...(flag(metadata, 'INVALID_DROP') ? { dropInvalid: true } : {}),
    ...loopback(metadata.get('ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR')),
  };
}

function proxyMetadata(text: string): ReadonlyMap<string, string> {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0 });
  } catch {
    throw new MetadataProblem(text, 'is not YAML', 'a ProxyConfig, for instance {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}');
  }
  if (!isRecord(value) || value.proxyMetadata === undefined) return new Map();
  if (!isRecord(value.proxyMetadata)) throw new MetadataProblem('proxyMetadata', 'is not a map', 'names with text values');
  return new Map(Object.entries(value.proxyMetadata).map(([name, entry]) => [name, String(entry)]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function flag(metadata: ReadonlyMap<string, string>, name: string): boolean {
  const value = metadata.get(name);
  if (value === undefined || value === '' || value === 'false') return false;
  if (value === 'true') return true;
  throw new MetadataProblem(value, `is not a value of ${name}`, '"true" or "false"');
}

function ownerGroups(include: string, exclude: string): RedirectConfig['ownerGroups'] {
  return include === '*' ? { kind: 'all', except: groupIds(exclude) } : { kind: 'only', gids: groupIds(include) };
}

/** Names cannot be resolved: the image's /etc/group is not ours to read. */
function groupIds(list: string): readonly number[] {
  const items = list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (items.length > maximumGroups) throw new MetadataProblem(`${items.length} groups`, 'are too many', `at most ${maximumGroups}`);
  return items.map((item) => {
    if (/^[0-9]{1,10}$/.test(item) && Number(item) < 2 ** 32 - 1) return Number(item);
    throw new MetadataProblem(item, 'is not a group id', "'*', or numbers with commas between them");
  });
}

function loopback(text: string | undefined): Partial<Settings> {
  if (text === undefined) return {};
  const cidr = parseCidr(text);
  if (cidr?.family === 4 && cidr.address[0] === 127 && cidr.prefix >= 8) return { loopback: cidr };
  throw new MetadataProblem(text, 'is not a range of loopback', 'a range inside 127.0.0.0/8');
}
