import type { ServiceImpl } from '@connectrpc/connect';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Health } from './gen/grpc/health/v1/health_pb.js';
import { HealthCheckResponse_ServingStatus } from './gen/grpc/health/v1/health_pb.js';

/** `hubble status` asks for the first of these, and not for the name of the service on the wire. Empty: the server as a whole. */
const healthy = ['hubble.server.Observer', 'observer.Observer', 'peer.Peer', ''];

/** grpc.health.v1.Health: a server that answers is well. */
export const healthService: ServiceImpl<typeof Health> = {
  async check({ service }) {
    if (!healthy.includes(service)) {
      throw new ConnectError(`Cannot tell the health because the service is not known: current value ${service}`, Code.NotFound);
    }
    return { status: HealthCheckResponse_ServingStatus.SERVING };
  },
  async *watch({ service }, { signal }) {
    const { SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;
    yield { status: healthy.includes(service) ? SERVING : SERVICE_UNKNOWN };
    await aborted(signal);
  },
};

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
