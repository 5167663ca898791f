/**
 * How a proxy treats a port: `http` (HTTP/1.1 or by the connection), `http2` (HTTP/2 without an upgrade, gRPC), `tcp` (bytes) or `auto`
 * (looked at when the first bytes come; what does not look like HTTP is bytes).
 */
export type PortProtocol = 'http' | 'http2' | 'tcp' | 'auto';

const declaredProtocols: ReadonlyMap<string, PortProtocol> = new Map([
  ['http', 'http'],
  ['grpc-web', 'http'],
  ['http2', 'http2'],
  ['h2c', 'http2'],
  ['grpc', 'http2'],
  ['https', 'tcp'],
  ['tls', 'tcp'],
  ['tcp', 'tcp'],
  ['mongo', 'tcp'],
  ['mysql', 'tcp'],
  ['postgres', 'tcp'],
  ['redis', 'tcp'],
  // Values of appProtocol that Kubernetes itself defines.
  ['kubernetes.io/h2c', 'http2'],
  ['kubernetes.io/ws', 'http'],
  ['kubernetes.io/wss', 'tcp'],
]);

/**
 * The protocol that a port declares, by Istio's habit: appProtocol first, else the port's name up to the first dash (`grpc-web` is one
 * word). Unnamed and unknown names are `auto`.
 */
export function portProtocol(port: { readonly name: string | null; readonly appProtocol?: string | null }): PortProtocol {
  if (port.appProtocol !== null && port.appProtocol !== undefined) return declaredProtocols.get(port.appProtocol.toLowerCase()) ?? 'auto';
  const name = (port.name ?? '').toLowerCase();
  const word = name === 'grpc-web' || name.startsWith('grpc-web-') ? 'grpc-web' : (name.split('-', 1)[0] ?? '');
  return declaredProtocols.get(word) ?? 'auto';
}
