import { flowEventSize } from '../abi/gen/index.ts';
import type { FdPoller } from '../kernel/index.ts';
import type { RecordHandler } from '../kernel/ring.ts';
import { RingReader } from '../kernel/ring.ts';

/** What the kernel counted of its events since the programs were loaded. */
export interface EventCounters {
  /** Were to be written. */
  readonly emitted: number;
  /** Found the ring full. */
  readonly lost: number;
  /** Were kept back because their pod had said too much. */
  readonly suppressed: number;
}

/** Where kernel events come from: records of struct mr_flow_event. */
export interface EventSource extends Disposable {
  /** Records that were read before this source was opened, since the programs were loaded. */
  readonly earlier: number;
  /** Hands out the records that are there, at most `maximum`, and returns how many that were. */
  consume(handler: RecordHandler, maximum: number): number;
  /** Calls back when many records wait; the returned function ends that. */
  onReadable(callback: () => void): () => void;
  counters(): EventCounters;
}

/** A record in the ring: its head and the event, in whole words; kernel/bpf/ringbuf.c. */
const recordBytes = (8 + flowEventSize + 7) & ~7;

/** The ring of events of loaded programs. `map` must stay open until the source is disposed of. @throws TypeError, SysError */
export function kernelEvents(poller: FdPoller, map: { readonly fd: number }, counters: () => EventCounters): EventSource {
  const reader = new RingReader(map.fd);
  return {
    // all are of one size
    earlier: Math.round(reader.position / recordBytes),
    consume: (handler, maximum) => reader.consume(handler, maximum),
    onReadable: (callback) => poller.add(map.fd, callback),
    counters,
    [Symbol.dispose]: () => reader.close(),
  };
}
