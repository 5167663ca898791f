import { flowEventOffsets as at } from '../../abi/gen/index.ts';
import type { Directory } from '../../flow/directory.ts';
import { namespaceOf } from '../../flow/endpoint-of.ts';

const rememberedMs = 3_600_000;
/** More identities than a node speaks with in an hour; at most this many are kept. */
const most = 65_536;

/** Which namespaces had flows within the last hour. */
export class RecentNamespaces {
  /** When each identity was last seen. */
  readonly #identities = new Map<number, number>();

  /** Notes both ends of a struct mr_flow_event. */
  see(view: DataView, offset: number, nowMs: number): void {
    this.seeIdentity(view.getUint32(offset + at.srcIdentity, true), nowMs);
    this.seeIdentity(view.getUint32(offset + at.dstIdentity, true), nowMs);
  }

  seeIdentity(identity: number, nowMs: number): void {
    if (this.#identities.size < most || this.#identities.has(identity)) this.#identities.set(identity, nowMs);
  }

  /** Forgets what is older than an hour. */
  forget(nowMs: number): void {
    for (const [identity, seen] of this.#identities) if (nowMs - seen > rememberedMs) this.#identities.delete(identity);
  }

  /** In alphabetical order. */
  names(directory: Directory): readonly string[] {
    const found = [...this.#identities.keys()].map((identity) => namespaceOf(directory.labelsOf(identity)));
    return [...new Set(found.filter((name) => name !== null))].sort();
  }
}
