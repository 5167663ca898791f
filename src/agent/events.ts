import { EventKind, eventSize, readEvent } from '../abi/gen/index.ts';
import { assertNever } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { FdPoller } from '../kernel/index.ts';
import { watchRing } from '../kernel/index.ts';
import { formatIp, unmapIp } from '../pods/address.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';

/** Turns the kernel's events into log lines. `nameOf` gives the pod of a cookie. Ends with the returned value's disposal. */
export function logEvents(poller: FdPoller, plane: DataPlane, nameOf: (cookie: bigint) => string | null, log: Logger): Disposable {
  return watchRing(poller, plane.maps.events, (view, offset, length) => {
    if (length < eventSize) return;
    const event = readEvent(view, offset);
    const kind = event.kind as EventKind;
    const fields = {
      pod: nameOf(event.cookie) ?? 'unknown',
      cookie: event.cookie.toString(),
      address: formatIp(unmapIp({ family: 6, bytes: event.addr })),
      port: event.port,
    };
    switch (kind) {
      case EventKind.LISTENER:
        return log.info({ ...fields, uid: event.uid }, 'the proxy listens');
      case EventKind.LISTENER_FOREIGN:
        return log.warn({ ...fields, uid: event.uid }, 'somebody else listens on a port of the proxy and is not used');
      case EventKind.HANDOVER_FULL:
        return log.error(fields, 'no room for the original destination of a connection, which is refused by the proxy');
      case EventKind.STORAGE_FAILED:
        return log.error(fields, 'no memory to keep the state of a socket, whose call was refused');
      default:
        return assertNever(kind, 'event kind');
    }
  });
}
