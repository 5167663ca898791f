import type { ListenerFilter, PortPredicate } from './types.ts';

/** Puts the address that the client dialled in the place of the one it was sent to (SO_ORIGINAL_DST). */
export const originalDestination: ListenerFilter = {
  name: 'envoy.filters.listener.original_dst',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst' },
};

/** Tells TLS from plaintext, and reads the ALPN offer. Waits for the first bytes. */
export const tlsInspector: ListenerFilter = {
  name: 'envoy.filters.listener.tls_inspector',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector' },
};

/** Tells HTTP from other plaintext. Waits for the first bytes. */
export const httpInspector: ListenerFilter = {
  name: 'envoy.filters.listener.http_inspector',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector' },
};

/**
 * How long a listener waits for a client that says nothing, before it treats the connection as plain bytes: the price that a protocol in which
 * the server speaks first pays at a port that does not name its protocol. A slow HTTP client is carried as TCP after it.
 */
export const inspectionTimeout = { listener_filters_timeout: '1s', continue_on_listener_filters_timeout: true } as const;

/**
 * Limits an inspector to the ports that need it, so that the others do not wait for bytes. `otherPorts`: whether ports that are in neither
 * list need it. Returns nothing where no port does.
 */
export function inspectOnly(
  inspector: ListenerFilter,
  ports: { readonly needed: readonly number[]; readonly unneeded: readonly number[]; readonly otherPorts: boolean },
): readonly ListenerFilter[] {
  if (ports.otherPorts) {
    const disabled = anyOf(ports.unneeded);
    return [disabled === null ? inspector : { ...inspector, filter_disabled: disabled }];
  }
  const enabled = anyOf(ports.needed);
  return enabled === null ? [] : [{ ...inspector, filter_disabled: { not_match: enabled } }];
}

function anyOf(ports: readonly number[]): PortPredicate | null {
  const rules: PortPredicate[] = ports.map((port) => ({ destination_port_range: { start: port, end: port + 1 } }));
  const [first] = rules;
  if (first === undefined) return null;
  // Envoy wants at least two rules in a disjunction.
  return rules.length === 1 ? first : { or_match: { rules } };
}
