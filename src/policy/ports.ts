/** `bits` leading bits of `port` are compared; the others are 0. */
export interface PortPrefix {
  readonly port: number;
  readonly bits: number;
}

/** A range of ports as the fewest prefixes, ascending: at most 30. 0–65535 is one prefix of no bits. `first` must not be above `last`. */
export function portPrefixes(first: number, last: number): PortPrefix[] {
  const prefixes: PortPrefix[] = [];
  let port = first;
  while (port <= last) {
    let bits = 16;
    // widen while the block stays aligned and inside
    while (bits > 0) {
      const size = 2 ** (17 - bits);
      if (port % size !== 0 || port + size - 1 > last) break;
      bits -= 1;
    }
    prefixes.push({ port, bits });
    port += 2 ** (16 - bits);
  }
  return prefixes;
}

/** Whether a port begins with the bits of a prefix. */
export function inPortPrefix({ port, bits }: PortPrefix, wanted: number): boolean {
  return bits === 0 || port >>> (16 - bits) === wanted >>> (16 - bits);
}
