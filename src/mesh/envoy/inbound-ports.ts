import type { RedirectConfig } from '../../pods/types.ts';
import type { MeshSnapshot, Workload } from '../model.ts';
import type { PortProtocol } from './protocol.ts';
import { portProtocol } from './protocol.ts';
import { servicesOfWorkload, targetPortOf } from './selection.ts';

/** A port of a workload at which the proxy expects traffic. */
export interface InboundPort {
  /** The application's port. */
  readonly port: number;
  readonly protocol: PortProtocol;
}

/**
 * The TCP ports that a workload is known to serve: what its services point at, then its container ports, by number. The first service by name
 * that names a port decides its protocol; a container port's own name decides where no service does.
 */
export function inboundPorts(snapshot: MeshSnapshot, workload: Workload): readonly InboundPort[] {
  const found = new Map<number, PortProtocol>();
  for (const service of servicesOfWorkload(snapshot, workload)) {
    for (const servicePort of service.ports.toSorted((a, b) => a.port - b.port)) {
      const port = servicePort.protocol === 'TCP' ? targetPortOf(workload, servicePort.targetPort) : null;
      if (port !== null && !found.has(port)) found.set(port, portProtocol(servicePort));
    }
  }
  for (const containerPort of workload.ports) {
    if (containerPort.protocol === 'TCP' && !found.has(containerPort.port)) found.set(containerPort.port, portProtocol(containerPort));
  }
  return [...found].map(([port, protocol]) => ({ port, protocol })).sort((a, b) => a.port - b.port);
}

/** Whether a pod's annotations give a port to the proxy. */
export function isCaptured(selection: RedirectConfig['inboundPorts'], port: number): boolean {
  return selection.kind === 'all' ? !selection.except.includes(port) : selection.ports.includes(port);
}
