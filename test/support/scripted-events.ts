import type { FlowEvent } from '../../src/abi/gen/index.ts';
import { Direction, FlowType, flowEventSize, writeFlowEvent } from '../../src/abi/gen/index.ts';
import { mapIp, parseIp } from '../../src/pods/address.ts';
import type { EventSource } from '../../src/serve/kernel-events.ts';

/** The 16 bytes of an address in the kernel's form. */
export function addressBytes(text: string): Uint8Array {
  const address = parseIp(text);
  if (address === null) throw new Error(`not an address: ${text}`);
  return mapIp(address);
}

/** A dropped SYN from 10.244.0.5:40000 to 10.244.0.9:5432, with what is told otherwise. */
export function flowEvent(told: Partial<FlowEvent> & { readonly from?: string; readonly to?: string } = {}): FlowEvent {
  const { from = '10.244.0.5', to = '10.244.0.9', ...rest } = told;
  return {
    timeNs: 1_000_000_000n,
    cookie: 7n,
    src: addressBytes(from),
    dst: addressBytes(to),
    srcIdentity: 300,
    dstIdentity: 301,
    sport: 40000,
    dport: 5432,
    protocol: 6,
    tcpFlags: 2,
    family: from.includes(':') ? 6 : 4,
    direction: Direction.EGRESS,
    type: FlowType.DROP,
    subtype: 133,
    reason: 0,
    flags: 0,
    rule: 0,
    interface: 0,
    length: 60,
    bytesSent: 0n,
    bytesReceived: 0n,
    bytesAccelerated: 0n,
    origin: new Uint8Array(16),
    originPort: 0,
    ...rest,
  };
}

/** The bytes of an event. */
export function eventBytes(event: FlowEvent): DataView {
  const view = new DataView(new ArrayBuffer(flowEventSize));
  writeFlowEvent(view, 0, event);
  return view;
}

/** A source of events for tests: what is pushed comes out, in order. */
export class ScriptedEvents implements EventSource {
  readonly #waiting: DataView[] = [];
  readonly #readable = new Set<() => void>();
  readonly earlier = 0;
  disposed = false;
  emitted = 0;
  lost = 0;
  suppressed = 0;

  push(...events: readonly FlowEvent[]): void {
    for (const event of events) this.#waiting.push(eventBytes(event));
    this.emitted += events.length;
    for (const callback of this.#readable) callback();
  }

  /** Events that found no room. */
  lose(count: number): void {
    this.emitted += count;
    this.lost += count;
  }

  consume(handler: (view: DataView, offset: number, length: number) => void, maximum: number): number {
    const records = this.#waiting.splice(0, maximum);
    for (const record of records) handler(record, 0, flowEventSize);
    return records.length;
  }

  onReadable(callback: () => void): () => void {
    this.#readable.add(callback);
    return () => this.#readable.delete(callback);
  }

  counters() {
    return { emitted: this.emitted, lost: this.lost, suppressed: this.suppressed };
  }

  [Symbol.dispose](): void {
    this.disposed = true;
  }
}
