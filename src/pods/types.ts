/** A request to enrol a network namespace as a pod. What `millrace pod add`, the lab and (on a cluster) the watch produce. */
export interface PodRequest {
  /** `namespace/name`, or a bare name for namespaces outside a cluster. */
  readonly name: string;
  /** A path to a network namespace: /run/netns/X, /proc/PID/ns/net. */
  readonly netns: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** The pod's /proc/PID/uid_map and gid_map in the kernel's format, where it has a user namespace of its own. */
  readonly uidMap: string | null;
  /** false: known (names, service translation) but not redirected. */
  readonly meshed: boolean;
  /** `auto`: the best that the kernel can do, by probes. */
  readonly backend: Backend | 'auto';
  /** `default` unless given. Policies may select by it. */
  readonly serviceAccount?: string;
  /** The ports that its containers give a name, which policies may use; none unless given. */
  readonly namedPorts?: readonly NamedPort[];
  /** What it was made by; nothing unless given. */
  readonly workload?: { readonly kind: string; readonly name: string };
  /** The file that the pod's proxy writes its access log to, where its lines are to become flows; absent: none. */
  readonly accessLog?: string | null | undefined;
}

/** A port of a container that has a name. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: Port;
}

/** Who redirects: our programs, with one of two ways inbound, or Istio's rules in the pod (then the programs leave captured flows alone). */
export type Backend = 'sk_lookup' | 'bind' | 'iptables';

/** A port number, 1–65535. */
export type Port = number;

export interface Cidr {
  readonly family: 4 | 6;
  /** 16 bytes for IPv6, 4 for IPv4; host bits cleared. */
  readonly address: Uint8Array;
  readonly prefix: number;
}

/** What the annotations and the injector say of one pod's redirection. Values as in Istio (contract A.1), defaults filled in. */
export interface RedirectConfig {
  /** NONE: the pod is left alone. TPROXY is accepted and treated as REDIRECT by eBPF (sources are kept anyway). */
  readonly interceptionMode: 'REDIRECT' | 'TPROXY' | 'NONE';
  readonly outboundPort: Port;
  readonly inboundPort: Port;
  readonly tunnelPort: Port;
  /** Ids in the pod's own user namespace. */
  readonly proxyUids: readonly number[];
  readonly proxyGids: readonly number[];
  readonly inboundPorts:
    | { readonly kind: 'all'; readonly except: readonly Port[] }
    | { readonly kind: 'only'; readonly ports: readonly Port[] };
  readonly outboundRanges: { readonly kind: 'all' } | { readonly kind: 'only'; readonly cidrs: readonly Cidr[] };
  readonly outboundRangesExcluded: readonly Cidr[];
  readonly outboundPortsIncluded: readonly Port[];
  readonly outboundPortsExcluded: readonly Port[];
  /** 127.0.0.1/32 unless told; always a part of 127.0.0.0/8. */
  readonly loopback: Cidr;
  readonly excludeInterfaces: readonly string[];
  readonly rerouteInterfaces: readonly string[];
  /** Which DNS queries go to the proxy's resolver (contract A.6). Servers are single addresses. */
  readonly dns:
    | { readonly kind: 'off' }
    | { readonly kind: 'servers'; readonly port: Port; readonly servers: readonly Cidr[] }
    | { readonly kind: 'all'; readonly port: Port };
  /** Whose sockets are captured outbound at all: every group but some, or only some. Ids in the pod's user namespace, at most 64. */
  readonly ownerGroups:
    | { readonly kind: 'all'; readonly except: readonly number[] }
    | { readonly kind: 'only'; readonly gids: readonly number[] };
  /** Packets that connection tracking finds invalid are dropped (iptables only). */
  readonly dropInvalid: boolean;
  /** false: IPv6 is left alone in both directions. */
  readonly ipv6: boolean;
  /**
   * Whose sockets may take part in acceleration: nobody's, the proxy's, or also those of the applications, whose owner says that they read as
   * docs/acceleration.md wants it.
   */
  readonly acceleration: 'none' | 'proxy' | 'all';
  /** Connections with other such pods of the node pass by the proxies of both. */
  readonly direct: boolean;
}
