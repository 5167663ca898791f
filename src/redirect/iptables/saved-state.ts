import type { Family } from './types.ts';

/** One rule as iptables-save prints it. */
export interface SavedRule {
  readonly chain: string;
  /** The words after `-A CHAIN `, as printed; quoting is kept, so that it can be given back to iptables-restore. */
  readonly text: string;
}

export interface SavedTable {
  readonly table: string;
  /** Every chain, in the order printed, with its policy; null for chains that somebody made. */
  readonly chains: ReadonlyMap<string, string | null>;
  readonly rules: readonly SavedRule[];
}

/** What one family's tables hold. */
export interface SavedState {
  readonly family: Family;
  readonly tables: readonly SavedTable[];
}

/** Reads the output of iptables-save or ip6tables-save. Lines that are none of its forms are ignored. Source: iptables-save(8). */
export function parseSavedState(family: Family, text: string): SavedState {
  const tables: { table: string; chains: Map<string, string | null>; rules: SavedRule[] }[] = [];
  for (const line of text.split('\n')) {
    const current = tables.at(-1);
    if (line.startsWith('*')) {
      tables.push({ table: line.slice(1).trim(), chains: new Map(), rules: [] });
    } else if (current !== undefined && line.startsWith(':')) {
      const [name = '', policy = '-'] = line.slice(1).split(' ');
      current.chains.set(name, policy === '-' ? null : policy);
    } else if (current !== undefined && line.startsWith('-A ')) {
      const rest = line.slice(3);
      const space = rest.indexOf(' ');
      current.rules.push({ chain: space < 0 ? rest : rest.slice(0, space), text: space < 0 ? '' : rest.slice(space + 1) });
    }
  }
  return { family, tables };
}

/** True when nothing in any table can touch a packet: no rule, no chain that somebody made, and every policy is ACCEPT. */
export function isEmptyState(state: SavedState): boolean {
  return state.tables.every((table) => table.rules.length === 0 && [...table.chains.values()].every((policy) => policy === 'ACCEPT'));
}
