import type { Extension, FileConfigSource, TypedConfig } from './types.ts';

/** Names of the secrets, as istio-agent serves them. */
export const secretNames = { identity: 'default', trust: 'ROOTCA' } as const;

/** Files of the secrets, below the proxy's directory. */
export const secretFiles = { identity: 'sds-identity.json', trust: 'sds-ca.json' } as const;

/**
 * ALPN of the mesh. A client's proxy offers them in this order; the first ones tell the server's proxy that the peer is a proxy and what it
 * carries, the last one is what both can settle on. `istio` and `istio-http/1.1` are never selected by the server: their offer is the message.
 */
export const meshAlpn = {
  tcp: ['istio-peer-exchange', 'istio'],
  http: ['istio-http/1.1', 'istio', 'http/1.1'],
  http2: ['istio-h2', 'istio', 'h2'],
} as const;

/** Offers that mean: a mesh peer that carries HTTP. */
export const meshHttpOffers = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'] as const;
/** Offers that mean: a mesh peer. */
export const meshOffers = ['istio', 'istio-peer-exchange', ...meshHttpOffers] as const;
/** What http_inspector finds in plaintext. */
export const plaintextHttp = ['http/1.0', 'http/1.1', 'h2c'] as const;

/** A file of the proxy's directory as a source of configuration. Envoy watches its folder for a rename onto this name. */
export function fileSource(directory: string, file: string): FileConfigSource {
  return {
    path_config_source: { path: `${directory}/${file}` },
    resource_api_version: 'V3',
    // A file is there or the writer is at fault: waiting 15 s for it would only hide that.
    initial_fetch_timeout: '0s',
  };
}

/** Mutual TLS at a server: own identity, and a client certificate of the mesh is a must. */
export function downstreamMutualTls(directory: string, trustDomain: string): Extension {
  return tlsSocket('DownstreamTlsContext', {
    require_client_certificate: true,
    common_tls_context: commonTls(directory, ['h2', 'http/1.1'], { prefix: `spiffe://${trustDomain}/` }),
  });
}

/**
 * Mutual TLS towards one service: own identity, the service's name as SNI, and only the identities that its pods have are accepted
 * (none known: any of the trust domain).
 */
export function upstreamMutualTls(
  directory: string,
  options: {
    readonly trustDomain: string;
    readonly identities: readonly string[];
    readonly serverName: string;
    readonly carries: keyof typeof meshAlpn;
  },
): Extension {
  const exact = options.identities.map((identity) => ({ exact: identity }));
  const matchers = exact.length > 0 ? exact : [{ prefix: `spiffe://${options.trustDomain}/` }];
  return tlsSocket('UpstreamTlsContext', {
    sni: options.serverName,
    common_tls_context: commonTls(directory, meshAlpn[options.carries], ...matchers),
  });
}

/** No TLS. */
export const plaintext: Extension = {
  name: 'envoy.transport_sockets.raw_buffer',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer' },
};

function tlsSocket(kind: 'UpstreamTlsContext' | 'DownstreamTlsContext', fields: Readonly<Record<string, unknown>>): Extension {
  const typedConfig: TypedConfig = { '@type': `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${kind}`, ...fields };
  return { name: 'envoy.transport_sockets.tls', typed_config: typedConfig };
}

function commonTls(directory: string, alpn: readonly string[], ...identities: readonly ({ exact: string } | { prefix: string })[]) {
  return {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
    alpn_protocols: alpn,
    tls_certificate_sds_secret_configs: [{ name: secretNames.identity, sds_config: fileSource(directory, secretFiles.identity) }],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: identities.map((matcher) => ({ san_type: 'URI', matcher })),
      },
      validation_context_sds_secret_config: { name: secretNames.trust, sds_config: fileSource(directory, secretFiles.trust) },
    },
  };
}
