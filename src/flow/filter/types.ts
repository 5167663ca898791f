import type { TcpFlags, Workload } from '../types.ts';

/**
 * One filter: every field that is given must match, and of each list one entry. Field for field flow.FlowFilter of Hubble's API, so that its
 * messages are such filters.
 */
export interface FlowFilter {
  readonly uuid?: readonly string[];
  /** Addresses or CIDR ranges. */
  readonly sourceIp?: readonly string[];
  readonly sourceIpXlated?: readonly string[];
  /** `prefix` (namespace default), `namespace/prefix`, `namespace/`, `/prefix`. */
  readonly sourcePod?: readonly string[];
  /** `*.cilium.io` */
  readonly sourceFqdn?: readonly string[];
  /** Kubernetes label selectors, keys with or without their source: `k8s:app=sleep`. */
  readonly sourceLabel?: readonly string[];
  readonly sourceService?: readonly string[];
  readonly sourceWorkload?: readonly Workload[];
  readonly sourceClusterName?: readonly string[];
  readonly destinationIp?: readonly string[];
  readonly destinationPod?: readonly string[];
  readonly destinationFqdn?: readonly string[];
  readonly destinationLabel?: readonly string[];
  readonly destinationService?: readonly string[];
  readonly destinationWorkload?: readonly Workload[];
  readonly destinationClusterName?: readonly string[];
  readonly trafficDirection?: readonly number[];
  readonly verdict?: readonly number[];
  readonly dropReasonDesc?: readonly number[];
  /** Index 0 or an empty name matches any. */
  readonly interface?: readonly { readonly index: number; readonly name: string }[];
  readonly eventType?: readonly { readonly type: number; readonly matchSubType: boolean; readonly subType: number }[];
  /** `404`, `5+` */
  readonly httpStatusCode?: readonly string[];
  readonly protocol?: readonly string[];
  readonly sourcePort?: readonly string[];
  readonly destinationPort?: readonly string[];
  readonly reply?: readonly boolean[];
  /** Regular expression. */
  readonly dnsQuery?: readonly string[];
  readonly sourceIdentity?: readonly number[];
  readonly destinationIdentity?: readonly number[];
  readonly httpMethod?: readonly string[];
  /** Regular expression. */
  readonly httpPath?: readonly string[];
  /** Regular expression. */
  readonly httpUrl?: readonly string[];
  readonly httpHeader?: readonly { readonly key: string; readonly value: string }[];
  readonly tcpFlags?: readonly TcpFlags[];
  /** `k8s*`, `test-cluster/*.company.com` */
  readonly nodeName?: readonly string[];
  readonly nodeLabels?: readonly string[];
  readonly ipVersion?: readonly number[];
  readonly traceId?: readonly string[];
  readonly ipTraceId?: readonly bigint[];
  readonly encrypted?: readonly boolean[];
  readonly experimental?: { readonly celExpression: readonly string[] };
}
