import type { Direction, PolicyCell, PolicyRow, PolicyTiers } from './types.ts';

/** What one rule says of one protocol and prefix of ports, in one tier. */
export interface RowItem {
  readonly protocol: number;
  readonly port: number;
  readonly bits: number;
  /** 0 admin, 1 normal, 2 baseline (enum mr_tier). */
  readonly tier: number;
  readonly cell: PolicyCell;
}

/** A row without its peer and direction. */
export interface RowTemplate {
  readonly protocol: number;
  readonly port: number;
  readonly portBits: number;
  readonly tiers: PolicyTiers;
}

/** No rule of the tier says anything. */
export const silent: PolicyCell = { precedence: 0, rule: 0 };

/** The one that holds: the greater precedence; at equal precedence the older rule is named, so that the answer does not depend on the order. */
function stronger(a: PolicyCell, b: PolicyCell): PolicyCell {
  if (a.precedence !== b.precedence) return a.precedence > b.precedence ? a : b;
  return a.rule <= b.rule ? a : b;
}

type Cells = [PolicyCell, PolicyCell, PolicyCell];

function fold(into: Cells, from: PolicyTiers): void {
  into[0] = stronger(into[0], from[0]);
  into[1] = stronger(into[1], from[1]);
  into[2] = stronger(into[2], from[2]);
}

const keyOf = (protocol: number, bits: number, port: number): number => (protocol * 32 + bits) * 65536 + port;

/**
 * Rows for everything that rules say of one peer in one direction. The trie of the kernel answers with the longest match alone, so each row holds for
 * each tier the strongest of all items that cover it; a row that says the same as the one around it is left out.
 */
export function mergeItems(items: readonly RowItem[]): RowTemplate[] {
  const [only] = items;
  if (only !== undefined && items.length === 1)
    return [
      template(
        only,
        only.tier === 0 ? [only.cell, silent, silent] : only.tier === 1 ? [silent, only.cell, silent] : [silent, silent, only.cell],
      ),
    ];
  const own = new Map<number, { readonly item: RowItem; readonly cells: Cells }>();
  /** Lengths of the prefixes of ports, by protocol, ascending. */
  const lengths = new Map<number, number[]>();
  for (const item of items) {
    const key = keyOf(item.protocol, item.bits, item.port);
    let node = own.get(key);
    if (node === undefined) {
      node = { item, cells: [silent, silent, silent] };
      own.set(key, node);
      const known = lengths.get(item.protocol) ?? [];
      if (!known.includes(item.bits))
        lengths.set(
          item.protocol,
          [...known, item.bits].sort((a, b) => a - b),
        );
    }
    const { cells } = node;
    if (item.tier === 0) cells[0] = stronger(cells[0], item.cell);
    else if (item.tier === 1) cells[1] = stronger(cells[1], item.cell);
    else cells[2] = stronger(cells[2], item.cell);
  }
  const everything = own.get(0)?.cells ?? null;
  const rows: RowTemplate[] = [];
  for (const { item, cells } of own.values()) {
    // What covers it, without it and with it.
    const around: Cells = [silent, silent, silent];
    let covered = false;
    if (item.protocol !== 0) {
      if (everything !== null) {
        fold(around, everything);
        covered = true;
      }
      for (const bits of lengths.get(item.protocol) ?? []) {
        if (bits >= item.bits) break;
        const outer = own.get(keyOf(item.protocol, bits, bits === 0 ? 0 : (item.port >>> (16 - bits)) << (16 - bits)));
        if (outer === undefined) continue;
        fold(around, outer.cells);
        covered = true;
      }
    }
    const tiers: Cells = [cells[0], cells[1], cells[2]];
    fold(tiers, around);
    if (covered && tiers.every((cell, tier) => cell === around[tier])) continue;
    rows.push(template(item, tiers));
  }
  return rows;
}

function template(item: RowItem, tiers: PolicyTiers): RowTemplate {
  return { protocol: item.protocol, port: item.port, portBits: item.bits, tiers };
}

export function toRow({ protocol, port, portBits, tiers }: RowTemplate, peer: number, direction: Direction): PolicyRow {
  return { peer, direction, protocol, port, portBits, tiers };
}
