import { createHash } from 'node:crypto';
import type { DiscoveryResponse, Resource } from './types.ts';

/** A proxy's configuration: path below its directory (`lds.json`, `rds/80.json`) → the file's text. */
export type ProxyFiles = Readonly<Record<string, string>>;

/**
 * One file of resources of one type, of the first one's type. Its version is a hash of the content: the same resources give the same bytes,
 * and Envoy's `version_text` statistic says which content it has accepted.
 */
export function discoveryFile(resources: readonly [Resource, ...Resource[]]): string {
  const version = createHash('sha256').update(JSON.stringify(resources)).digest('hex').slice(0, 16);
  const response: DiscoveryResponse = { version_info: version, type_url: resources[0]['@type'], resources };
  return `${JSON.stringify(response, null, 2)}\n`;
}
