import { UserError } from '../base/errors.ts';
import { parseCidr } from './address.ts';
import { MetadataProblem, proxyConfigAnnotation, settingsFromProxyConfig } from './proxy-metadata.ts';
import type { Cidr, Port, RedirectConfig } from './types.ts';

/** The annotations of redirection, by what they set: Istio's (istio.io/docs/reference/config/annotations) and our own. */
export const redirectAnnotations = {
  interceptionMode: 'sidecar.istio.io/interceptionMode',
  statusPort: 'status.sidecar.istio.io/port',
  includeInboundPorts: 'traffic.sidecar.istio.io/includeInboundPorts',
  excludeInboundPorts: 'traffic.sidecar.istio.io/excludeInboundPorts',
  includeOutboundIpRanges: 'traffic.sidecar.istio.io/includeOutboundIPRanges',
  excludeOutboundIpRanges: 'traffic.sidecar.istio.io/excludeOutboundIPRanges',
  includeOutboundPorts: 'traffic.sidecar.istio.io/includeOutboundPorts',
  excludeOutboundPorts: 'traffic.sidecar.istio.io/excludeOutboundPorts',
  excludeInterfaces: 'traffic.sidecar.istio.io/excludeInterfaces',
  rerouteInterfaces: 'istio.io/reroute-virtual-interfaces',
  /** Deprecated; `rerouteInterfaces` wins. */
  kubevirtInterfaces: 'traffic.sidecar.istio.io/kubevirtInterfaces',
  accelerate: 'millrace.io/accelerate',
  direct: 'millrace.io/direct',
} as const;

/** Envoy's metrics, health and merged metrics: never captured inbound while every other port is. */
export const sidecarPorts: readonly Port[] = [15090, 15021, 15020];

/** What Istio's sidecar injector sets up for a pod without annotations. */
export const defaultRedirectConfig: RedirectConfig = {
  interceptionMode: 'REDIRECT',
  outboundPort: 15001,
  inboundPort: 15006,
  tunnelPort: 15008,
  proxyUids: [1337],
  proxyGids: [1337],
  inboundPorts: { kind: 'all', except: sidecarPorts },
  outboundRanges: { kind: 'all' },
  outboundRangesExcluded: [],
  outboundPortsIncluded: [],
  outboundPortsExcluded: [],
  loopback: { family: 4, address: Uint8Array.of(127, 0, 0, 1), prefix: 32 },
  excludeInterfaces: [],
  rerouteInterfaces: [],
  dns: { kind: 'off' },
  ownerGroups: { kind: 'all', except: [] },
  dropInvalid: false,
  ipv6: true,
  acceleration: 'proxy',
  direct: false,
};

/**
 * What a pod's annotations ask of redirection, over `defaults` and those over Istio's. An annotation that is "" means nothing (capture nothing,
 * exclude nothing), not the default; empty items of a list are passed over; annotations of other names are left alone.
 * Excluded inbound ports count only while all inbound ports are captured, as with Istio's rules. Throws UserError ANNOTATION_INVALID.
 */
export function redirectConfigFromAnnotations(
  podName: string,
  annotations: Readonly<Record<string, string>>,
  defaults: Partial<RedirectConfig> = {},
): RedirectConfig {
  const base = { ...defaultRedirectConfig, ...defaults };
  const read = <T>(key: keyof typeof redirectAnnotations, parse: (reader: Reader) => T): T | null => {
    const annotation = redirectAnnotations[key];
    if (!Object.hasOwn(annotations, annotation)) return null;
    return parse({ podName, annotation, value: annotations[annotation] ?? '' });
  };
  return {
    ...base,
    ...readProxyConfig(podName, annotations),
    interceptionMode: read('interceptionMode', readMode) ?? base.interceptionMode,
    inboundPorts: inboundPorts(
      read('includeInboundPorts', readPortsOrAll),
      base.inboundPorts,
      read('statusPort', readStatusPort) ?? [],
      read('excludeInboundPorts', readPorts) ?? [],
    ),
    outboundRanges: read('includeOutboundIpRanges', readRangesOrAll) ?? base.outboundRanges,
    outboundRangesExcluded: read('excludeOutboundIpRanges', readRanges) ?? base.outboundRangesExcluded,
    outboundPortsIncluded: read('includeOutboundPorts', readPorts) ?? base.outboundPortsIncluded,
    outboundPortsExcluded: read('excludeOutboundPorts', readPorts) ?? base.outboundPortsExcluded,
    excludeInterfaces: read('excludeInterfaces', readInterfaces) ?? base.excludeInterfaces,
    rerouteInterfaces: read('rerouteInterfaces', readInterfaces) ?? read('kubevirtInterfaces', readInterfaces) ?? base.rerouteInterfaces,
    acceleration: read('accelerate', (reader) => (readBoolean(reader) ? 'all' : 'none')) ?? base.acceleration,
    direct: read('direct', readBoolean) ?? base.direct,
  };
}

function readProxyConfig(podName: string, annotations: Readonly<Record<string, string>>): Partial<RedirectConfig> {
  const value = annotations[proxyConfigAnnotation];
  if (value === undefined) return {};
  try {
    return settingsFromProxyConfig(value);
  } catch (error) {
    if (!(error instanceof MetadataProblem)) throw error;
    throw refuse({ podName, annotation: proxyConfigAnnotation, value }, error.item, error.reason, error.allowed);
  }
}

interface Reader {
  readonly podName: string;
  readonly annotation: string;
  readonly value: string;
}

function inboundPorts(
  included: PortsOrAll | null,
  base: RedirectConfig['inboundPorts'],
  statusPort: readonly Port[],
  excluded: readonly Port[],
): RedirectConfig['inboundPorts'] {
  if (included?.kind === 'only') return included;
  if (included === null && base.kind === 'only') return base;
  const own = base.kind === 'all' ? base.except : sidecarPorts;
  return { kind: 'all', except: [...new Set([...own, ...statusPort, ...excluded])] };
}

function readMode(reader: Reader): RedirectConfig['interceptionMode'] {
  const { value } = reader;
  if (value === 'REDIRECT' || value === 'TPROXY' || value === 'NONE') return value;
  throw refuse(reader, value, 'is not a mode', 'REDIRECT, TPROXY or NONE');
}

function readBoolean(reader: Reader): boolean {
  const { value } = reader;
  if (value === 'true' || value === 'false') return value === 'true';
  throw refuse(reader, value, 'is neither true nor false', '"true" or "false", in quotes');
}

/** Istio takes "0" for "no status server". */
function readStatusPort(reader: Reader): readonly Port[] {
  return reader.value.trim() === '0' ? [] : readPorts(reader);
}

type PortsOrAll = { readonly kind: 'all' } | { readonly kind: 'only'; readonly ports: readonly Port[] };

function readPortsOrAll(reader: Reader): PortsOrAll {
  return reader.value.trim() === '*' ? { kind: 'all' } : { kind: 'only', ports: readPorts(reader, "'*', or ") };
}

function readRangesOrAll(reader: Reader): RedirectConfig['outboundRanges'] {
  return reader.value.trim() === '*' ? { kind: 'all' } : { kind: 'only', cidrs: readRanges(reader, "'*', or ") };
}

function readPorts(reader: Reader, alternative = ''): readonly Port[] {
  const ports = items(reader.value).map((item) => {
    const port = /^[0-9]{1,5}$/.test(item) ? Number(item) : 0;
    if (port < 1 || port > 65535)
      throw refuse(reader, item, 'is not a port', `${alternative}ports from 1 to 65535 with commas between them`);
    return port;
  });
  return [...new Set(ports)];
}

function readRanges(reader: Reader, alternative = ''): readonly Cidr[] {
  return items(reader.value).map((item) => {
    const cidr = parseCidr(item);
    if (cidr === null) {
      throw refuse(reader, item, 'is not an IP range', `${alternative}ranges like 10.0.0.0/8 or 2001:db8::/32 with commas between them`);
    }
    return cidr;
  });
}

/** IFNAMSIZ leaves 15 bytes; the kernel's dev_valid_name refuses '.', '..', '/', ':' and white space. */
function readInterfaces(reader: Reader): readonly string[] {
  const names = items(reader.value).map((item) => {
    if (!/^[!-.0-9;-~]{1,15}$/.test(item) || item === '.' || item === '..') {
      throw refuse(reader, item, 'is not the name of an interface', 'names of interfaces, of 1 to 15 characters, with commas between them');
    }
    return item;
  });
  return [...new Set(names)];
}

function items(list: string): string[] {
  return list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function refuse(reader: Reader, item: string, reason: string, allowed: string): UserError {
  const { podName, annotation, value } = reader;
  return new UserError(
    'ANNOTATION_INVALID',
    `Cannot use annotation ${annotation} of pod ${podName} because ${JSON.stringify(item.slice(0, 100))} ${reason}: current value ${JSON.stringify(value.slice(0, 300))}`,
    { cure: `Allowed: ${allowed}.`, data: { pod: podName, annotation, value } },
  );
}
