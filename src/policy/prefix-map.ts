import type { IpAddress } from '../pods/address.ts';
import { formatCidr, parseCidr } from '../pods/address.ts';
import type { Cidr } from '../pods/types.ts';

/** Values by range of addresses, with longest-prefix look-ups: what an LPM trie of the kernel does. */
export class PrefixMap<T> {
  /** By family and prefix length, longest first; by network address inside. */
  readonly #lengths: { readonly family: 4 | 6; readonly prefix: number; readonly byNetwork: Map<string, T> }[] = [];

  get(cidr: Cidr): T | undefined {
    return this.#of(cidr)?.byNetwork.get(networkKey(cidr.address, cidr.prefix));
  }

  set(cidr: Cidr, value: T): void {
    let of = this.#of(cidr);
    if (of === undefined) {
      of = { family: cidr.family, prefix: cidr.prefix, byNetwork: new Map() };
      this.#lengths.push(of);
      this.#lengths.sort((a, b) => b.prefix - a.prefix);
    }
    of.byNetwork.set(networkKey(cidr.address, cidr.prefix), value);
  }

  delete(cidr: Cidr): void {
    const of = this.#of(cidr);
    if (of === undefined) return;
    of.byNetwork.delete(networkKey(cidr.address, cidr.prefix));
    if (of.byNetwork.size === 0) this.#lengths.splice(this.#lengths.indexOf(of), 1);
  }

  /** The value of the narrowest range that holds the address. The address must not be v4-mapped. */
  longest(address: IpAddress): T | undefined {
    for (const { family, prefix, byNetwork } of this.#lengths) {
      if (family !== address.family) continue;
      const value = byNetwork.get(networkKey(address.bytes, prefix));
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** The values of every range that holds the whole of `cidr`, narrowest first. */
  covering(cidr: Cidr): T[] {
    const values: T[] = [];
    for (const { family, prefix, byNetwork } of this.#lengths) {
      if (family !== cidr.family || prefix > cidr.prefix) continue;
      const value = byNetwork.get(networkKey(cidr.address, prefix));
      if (value !== undefined) values.push(value);
    }
    return values;
  }

  #of(cidr: Cidr) {
    return this.#lengths.find(({ family, prefix }) => family === cidr.family && prefix === cidr.prefix);
  }
}

/** The first `prefix` bits of an address as a string of 16-bit units; equal for equal networks of one length. */
function networkKey(bytes: Uint8Array, prefix: number): string {
  let key = '';
  for (let index = 0; index < bytes.length && index * 8 < prefix; index += 2) {
    const left = prefix - index * 8;
    const unit = ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
    key += String.fromCharCode(left >= 16 ? unit : unit & (0xffff << (16 - left)));
  }
  return key;
}

/** Whether `outer` holds the whole of `inner`. */
export function rangeContains(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.prefix > inner.prefix) return false;
  return networkKey(outer.address, outer.prefix) === networkKey(inner.address, outer.prefix);
}

/** Ranges in canonical text and back; throws a plain Error where the text is none, because only our own text is read. */
export function rangeOf(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === null) throw new Error(`not a range of addresses: ${text}`);
  return cidr;
}

/** A key for a range without some of its parts: equal where both write the same. */
export function blockKey(cidr: Cidr, except: readonly Cidr[]): string {
  return except.length === 0 ? formatCidr(cidr) : `${formatCidr(cidr)}!${except.map(formatCidr).sort().join('!')}`;
}

/** Whether `range` lies in `cidr` and in none of `except`. */
export function blockCovers(cidr: Cidr, except: readonly Cidr[], range: Cidr): boolean {
  return rangeContains(cidr, range) && !except.some((part) => rangeContains(part, range));
}
