import { formatCidr } from '../pods/address.ts';
import type { Cidr } from '../pods/types.ts';
import { isIdentityLabel } from './labels.ts';
import type { Block, FqdnInterest, PlainPeer, SectionInterests } from './parts.ts';
import { fqdnKey } from './peer-entry.ts';
import { blockKey, PrefixMap, rangeContains } from './prefix-map.ts';
import type { EndpointSelector, PolicyRule } from './types.ts';

/** A set whose members are there as long as somebody holds them. */
class Held<T> {
  readonly #members = new Map<string, { readonly value: T; count: number }>();
  version = 0;

  hold(key: string, value: T): void {
    const member = this.#members.get(key);
    if (member !== undefined) {
      member.count += 1;
      return;
    }
    this.#members.set(key, { value, count: 1 });
    this.version += 1;
  }

  drop(key: string): T | null {
    const member = this.#members.get(key);
    if (member === undefined) return null;
    member.count -= 1;
    if (member.count > 0) return null;
    this.#members.delete(key);
    this.version += 1;
    return member.value;
  }

  get size(): number {
    return this.#members.size;
  }

  has(key: string): boolean {
    return this.#members.has(key);
  }

  *values(): Iterable<T> {
    for (const { value } of this.#members.values()) yield value;
  }
}

/** Collects them from a section whose services are resolved. */
export function interestsOf(
  subject: EndpointSelector,
  rules: readonly { readonly rule: PolicyRule; readonly peers: readonly PlainPeer[] }[],
): SectionInterests {
  const found = new Found();
  found.selector(subject);
  for (const { rule, peers } of rules) {
    for (const match of rule.ports ?? []) if (match.kind === 'named' && !found.ports.includes(match.name)) found.ports.push(match.name);
    for (const peer of peers) found.peer(peer);
  }
  return found;
}

/** Most sections make the identities depend on little, and there are thousands: lists that are mostly empty are enough. */
class Found implements SectionInterests {
  readonly labels: string[] = [];
  readonly ports: string[] = [];
  readonly ranges: Cidr[] = [];
  readonly blocks: Block[] = [];
  readonly fqdns: FqdnInterest[] = [];
  nodes = false;

  peer(peer: PlainPeer): void {
    if (peer.kind === 'endpoints') this.selector(peer.selector);
    else if (peer.kind === 'nodes') this.nodes = true;
    else if (peer.kind === 'fqdn') this.fqdns.push({ key: fqdnKey(peer), match: peer.match, text: peer.text });
    else {
      this.ranges.push(peer.cidr, ...peer.except);
      if (peer.inCluster) this.blocks.push({ key: blockKey(peer.cidr, peer.except), cidr: peer.cidr, except: peer.except });
    }
  }

  selector(selector: EndpointSelector): void {
    for (const { source, key } of selector) {
      if ((source === 'any' || source === 'k8s') && !isIdentityLabel(key) && !this.labels.includes(key)) this.labels.push(key);
    }
  }
}

/** What all policies together make the identities depend on. The versions move when something came or went. */
export class Interests {
  readonly #labels = new Held<string>();
  readonly ports = new Held<string>();
  readonly ranges = new Held<Cidr>();
  readonly fqdns = new Held<FqdnInterest>();
  readonly #blocks = new Held<Block>();
  readonly #blocksByRange = new PrefixMap<Map<string, Block>>();
  readonly rangeMap = new PrefixMap<Cidr>();
  #nodes = 0;

  /** Moves when pods may have other identities than before. */
  get podVersion(): number {
    return this.#labels.version + this.ports.version + this.#blocks.version;
  }

  /** Moves when nodes may have other identities. */
  get nodeVersion(): number {
    return this.#blocks.version;
  }

  get labels(): ReadonlySet<string> {
    return new Set(this.#labels.values());
  }

  /** Whether some policy selects nodes by their labels. */
  get nodes(): boolean {
    return this.#nodes > 0;
  }

  hold(section: SectionInterests): void {
    for (const key of section.labels) this.#labels.hold(key, key);
    for (const name of section.ports) this.ports.hold(name, name);
    for (const range of section.ranges) {
      const key = formatCidr(range);
      if (!this.ranges.has(key)) this.rangeMap.set(range, range);
      this.ranges.hold(key, range);
    }
    for (const block of section.blocks) {
      if (!this.#blocks.has(block.key)) {
        const at = this.#blocksByRange.get(block.cidr) ?? new Map<string, Block>();
        this.#blocksByRange.set(block.cidr, at.set(block.key, block));
      }
      this.#blocks.hold(block.key, block);
    }
    for (const fqdn of section.fqdns) this.fqdns.hold(fqdn.key, fqdn);
    if (section.nodes) this.#nodes += 1;
  }

  drop(section: SectionInterests): void {
    for (const key of section.labels) this.#labels.drop(key);
    for (const name of section.ports) this.ports.drop(name);
    for (const range of section.ranges) if (this.ranges.drop(formatCidr(range)) !== null) this.rangeMap.delete(range);
    for (const block of section.blocks) {
      if (this.#blocks.drop(block.key) === null) continue;
      const at = this.#blocksByRange.get(block.cidr);
      at?.delete(block.key);
      if (at?.size === 0) this.#blocksByRange.delete(block.cidr);
    }
    for (const fqdn of section.fqdns) this.fqdns.drop(fqdn.key);
    if (section.nodes) this.#nodes -= 1;
  }

  /** Keys of the blocks that hold the whole of a range inside the cluster. */
  blocksOf(range: Cidr): string[] {
    const keys: string[] = [];
    for (const at of this.#blocksByRange.covering(range)) {
      for (const { key, except } of at.values()) {
        if (!except.some((part) => rangeContains(part, range))) keys.push(key);
      }
    }
    return keys;
  }
}
