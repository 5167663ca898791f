import { flowEventOffsets as at, FlowFlags, FlowType } from '../abi/gen/index.ts';
import { ipProtocol } from './codes.ts';

/** Events that are alike, and how many there were. */
export interface CountedEvents {
  readonly type: number;
  readonly subtype: number;
  readonly protocol: number;
  readonly audited: boolean;
  readonly redirected: boolean;
  readonly reply: boolean;
  /** To somebody outside the cluster. */
  readonly toWorld: boolean;
  readonly count: number;
}

/** Verdicts by the rule that made them. */
export interface CountedVerdicts {
  readonly rule: number;
  readonly egress: boolean;
  /** enum mr_drop, 0: allowed */
  readonly drop: number;
  readonly audited: boolean;
  readonly count: number;
}

/** What was counted since the last time. */
export interface Counts {
  readonly events: readonly CountedEvents[];
  readonly verdicts: readonly CountedVerdicts[];
  /** Forwarded TCP packets by family and flags. */
  readonly tcpFlags: readonly { readonly family: 4 | 6; readonly flags: number; readonly count: number }[];
  readonly icmp: readonly { readonly family: 4 | 6; readonly type: number; readonly code: number; readonly count: number }[];
}

const flagMask = FlowFlags.REPLY | FlowFlags.AUDITED | FlowFlags.REDIRECTED;
const worldBit = 0x80;

/**
 * Counts kernel events without making flows of them: some reads and one or two numbers in a table each, because this is done for every event of a
 * storm. Kinds of events are few, so what is counted per kind here becomes metrics with labels once per scrape.
 */
export class FlowCounters {
  /** type, subtype, protocol and some flags in one number. */
  #events = new Map<number, number>();
  #verdicts = new Map<number, number>();
  #icmp = new Map<number, number>();
  readonly #tcpFlags = new Uint32Array(512);

  /** Counts one struct mr_flow_event. */
  count(view: DataView, offset: number): void {
    const type = view.getUint8(offset + at.type);
    const subtype = view.getUint8(offset + at.subtype);
    const protocol = view.getUint8(offset + at.protocol);
    const flags = view.getUint8(offset + at.flags);
    const world = isWorld(view.getUint32(offset + at.dstIdentity, true)) ? worldBit : 0;
    const key = ((type * 256 + subtype) * 256 + protocol) * 256 + ((flags & flagMask) | world);
    this.#events.set(key, (this.#events.get(key) ?? 0) + 1);
    if (type === FlowType.VERDICT) {
      // The node may always reach its pods; Hubble leaves that out of its verdicts too.
      if (view.getUint32(offset + at.srcIdentity, true) === 1) return;
      const audited = (flags & FlowFlags.AUDITED) === 0 ? 0 : 2;
      const decided = (view.getUint32(offset + at.rule, true) * 256 + subtype) * 4 + audited + view.getUint8(offset + at.direction);
      this.#verdicts.set(decided, (this.#verdicts.get(decided) ?? 0) + 1);
    }
    if (protocol === ipProtocol.tcp) {
      if (type === FlowType.TRACE || (type === FlowType.VERDICT && subtype === 0)) {
        const index = (view.getUint8(offset + at.family) === 6 ? 256 : 0) + view.getUint8(offset + at.tcpFlags);
        this.#tcpFlags[index] = (this.#tcpFlags[index] ?? 0) + 1;
      }
    } else if (protocol === ipProtocol.icmp || protocol === ipProtocol.icmpv6) {
      const kind = (protocol === ipProtocol.icmp ? 0 : 65536) + view.getUint16(offset + at.dport, true);
      this.#icmp.set(kind, (this.#icmp.get(kind) ?? 0) + 1);
    }
  }

  /** Gives what was counted since the last call, and begins anew. */
  drain(): Counts {
    const [events, verdicts, icmp] = [this.#events, this.#verdicts, this.#icmp];
    this.#events = new Map();
    this.#verdicts = new Map();
    this.#icmp = new Map();
    const tcpFlags = Array.from(this.#tcpFlags, (count, index) => ({
      family: index < 256 ? (4 as const) : (6 as const),
      flags: index & 0xff,
      count,
    })).filter(({ count }) => count > 0);
    this.#tcpFlags.fill(0);
    return {
      events: [...events].map(([key, count]) => ({
        type: Math.floor(key / 2 ** 24),
        subtype: (key >>> 16) & 0xff,
        protocol: (key >>> 8) & 0xff,
        audited: (key & FlowFlags.AUDITED) !== 0,
        redirected: (key & FlowFlags.REDIRECTED) !== 0,
        reply: (key & FlowFlags.REPLY) !== 0,
        toWorld: (key & worldBit) !== 0,
        count,
      })),
      verdicts: [...verdicts].map(([key, count]) => ({
        rule: Math.floor(key / 1024),
        egress: (key & 1) !== 0,
        drop: (key >>> 2) & 0xff,
        audited: (key & 2) !== 0,
        count,
      })),
      tcpFlags,
      icmp: [...icmp].map(([key, count]) => ({
        family: key < 65536 ? (4 as const) : (6 as const),
        type: (key >>> 8) & 0xff,
        code: key & 0xff,
        count,
      })),
    };
  }
}

/** world, its two families, and every identity of an address range. */
function isWorld(identity: number): boolean {
  return identity === 2 || identity === 9 || identity === 10 || identity >= 1 << 24;
}
