import type { RedirectConfig } from '../../pods/types.ts';
import type { MeshSnapshot, RedirectBackend, Workload } from '../model.ts';
import { isIPv6 } from './names.ts';
import type { SocketAddress } from './types.ts';

/** Ports of the proxy, and what the pod's annotations give it. Defaults are Istio's. */
export interface ProxyOptions {
  /** Absolute path of the directory that the files are written to, as the proxy sees it. No slash at the end. */
  readonly directory: string;
  /** 15001 */
  readonly outboundPort?: number;
  /** 15006 */
  readonly inboundPort?: number;
  /** Which of the application's ports are captured; counts for the `bind` back end only, where each is a listener. Default: all but 15020, 15021, 15090. */
  readonly inboundPorts?: RedirectConfig['inboundPorts'];
}

/** What every builder needs to know. */
export interface ProxyContext extends Required<ProxyOptions> {
  readonly snapshot: MeshSnapshot;
  readonly workload: Workload;
  readonly backend: RedirectBackend;
}

/** Fills in the defaults. */
export function proxyContext(snapshot: MeshSnapshot, workload: Workload, backend: RedirectBackend, options: ProxyOptions): ProxyContext {
  return {
    snapshot,
    workload,
    backend,
    directory: options.directory,
    outboundPort: options.outboundPort ?? 15001,
    inboundPort: options.inboundPort ?? 15006,
    inboundPorts: options.inboundPorts ?? { kind: 'all', except: [15020, 15021, 15090] },
  };
}

/** Whether the pod has an IPv6 address; only then does its proxy open IPv6 sockets. */
export function hasIPv6(workload: Workload): boolean {
  return workload.addresses.some(isIPv6);
}

/** An address and port in Envoy's form. */
export function socketAddress(address: string, port: number): SocketAddress {
  return { socket_address: { address, port_value: port } };
}

/** The listener fields for "every address of the pod" at a port. */
export function wildcardAddress(
  context: ProxyContext,
  port: number,
): { readonly address: SocketAddress; readonly additional_addresses?: readonly { readonly address: SocketAddress }[] } {
  const address = socketAddress('0.0.0.0', port);
  return hasIPv6(context.workload) ? { address, additional_addresses: [{ address: socketAddress('::', port) }] } : { address };
}
