/** A workload's identity. In certificates it is the URI `spiffe://cluster.local/ns/demo/sa/sleep`. */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** The URI of an identity, in Istio's form. */
export function formatSpiffeId(id: SpiffeId): string {
  return `spiffe://${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
}

/** Reads the URI of an identity in Istio's form. Returns null for any other text. */
export function parseSpiffeId(uri: string): SpiffeId | null {
  const match = /^spiffe:\/\/([a-z0-9._-]+)\/ns\/([a-z0-9-]+)\/sa\/([a-z0-9.-]+)$/.exec(uri);
  const [, trustDomain, namespace, serviceAccount] = match ?? [];
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return null;
  return { trustDomain, namespace, serviceAccount };
}
