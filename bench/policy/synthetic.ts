import type { CompiledPolicy, IpcacheEntry, PolicyRow } from '../../src/policy/types.ts';

export interface SyntheticSize {
  readonly rules: number;
  readonly identities: number;
  readonly prefixes: number;
}

const firstIdentity = 256;
const rulesPerPolicy = 40;
const peersPerRule = 10;

const cell = { precedence: 0, rule: 0 } as const;

/**
 * Policy of a large cluster: policies of forty rules, each of which lets ten identities in at one port; every identity is selected by one of them.
 * 20,000 rules over 5,000 identities are 200,500 rows.
 */
export function syntheticPolicy({ rules, identities, prefixes }: SyntheticSize): CompiledPolicy {
  const policies = Math.max(1, Math.floor(rules / rulesPerPolicy));
  const rows = new Map(Array.from({ length: policies }, (_, policy) => [policy + 1, rowsOf(policy, identities)]));
  const subjects = Array.from({ length: identities }, (_, index) => ({
    identity: firstIdentity + index,
    policy: (index % policies) + 1,
    ingress: true,
    egress: false,
  }));
  const ipcache = Array.from({ length: prefixes }, (_, index): IpcacheEntry => {
    const address = `10.${64 + (index >> 16)}.${(index >> 8) & 0xff}.${index & 0xff}`;
    return { prefix: `${address}/32`, identity: firstIdentity + (index % identities) };
  });
  return { identities: [], ipcache, endpoints: [], subjects, rows, rules: new Map(), statuses: [] };
}

function rowsOf(policy: number, identities: number): readonly PolicyRow[] {
  const base = { direction: 'ingress', protocol: 0, port: 0, portBits: 0 } as const;
  const rows: PolicyRow[] = [{ ...base, peer: 0, tiers: [cell, { precedence: 1, rule: 0 }, cell] }];
  for (let rule = 0; rule < rulesPerPolicy; rule += 1) {
    for (let peer = 0; peer < peersPerRule; peer += 1) {
      const identity = firstIdentity + ((policy * 97 + rule * peersPerRule + peer) % identities);
      const tiers = [cell, { precedence: 3, rule: policy * rulesPerPolicy + rule + 1 }, cell] as const;
      rows.push({ peer: identity, direction: 'ingress', protocol: 6, port: 1000 + rule, portBits: 16, tiers });
    }
  }
  return rows;
}
