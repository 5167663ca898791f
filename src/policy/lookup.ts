import { cidrOf, formatCidr, parseIp, unmapIp } from '../pods/address.ts';
import type { PortPrefix } from './ports.ts';
import { inPortPrefix } from './ports.ts';
import type {
  CompiledPolicy,
  CompiledRule,
  CompiledSubject,
  Direction,
  PolicyCell,
  PolicyFlow,
  PolicyRow,
  PolicyVerdict,
} from './types.ts';

/** What stands for an address that the ipcache does not know (MR_IDENTITY_WORLD). */
const world = 2;
/** enum mr_action */
const actions = { defaultDeny: 1, pass: 2, allow: 3, deny: 4 } as const;

export interface Lookup extends PolicyVerdict {
  /** What decided; null where no rule says anything or no policy selects the pod. */
  readonly rule: CompiledRule | null;
  readonly identities: { readonly subject: number; readonly peer: number };
  readonly subject: CompiledSubject | null;
  /** The row of the peer itself and that of everybody, and which of them decided in which tier. */
  readonly rows: { readonly peer: PolicyRow | null; readonly everybody: PolicyRow | null };
  readonly decidedBy: { readonly row: PolicyRow; readonly tier: number } | null;
}

/**
 * The compiled tables as the kernel reads them: identity of both addresses, subject, two longest-prefix look-ups, three tiers. The same steps as in
 * bpf/lib/verdict.bpf.h, so that `policy trace` can say which row decided. Lists are walked, because an index of a large cluster would cost more than
 * the few questions that are asked of it.
 */
export class PolicyTables {
  readonly #compiled: CompiledPolicy;
  /** Rows of a policy, peer and direction, the longest prefix first. Made per policy when it is first asked. */
  readonly #rows = new Map<number, ReadonlyMap<string, readonly PolicyRow[]>>();

  constructor(compiled: CompiledPolicy) {
    this.#compiled = compiled;
  }

  /** The identity of an address; `world` where it is not known. Throws a plain Error where the text is no address. */
  identityOf(text: string): number {
    const ip = parseIp(text);
    if (ip === null) throw new Error(`not an address: ${text}`);
    const plain = unmapIp(ip);
    const bits = new Map(Array.from({ length: plain.bytes.length * 8 + 1 }, (_, prefix) => [formatCidr(cidrOf(plain, prefix)), prefix]));
    let longest = { bits: -1, identity: world };
    for (const { prefix, identity } of this.#compiled.ipcache) {
      const own = bits.get(prefix);
      if (own !== undefined && own > longest.bits) longest = { bits: own, identity };
    }
    return longest.identity;
  }

  lookup(flow: PolicyFlow): Lookup {
    const ingress = flow.direction === 'ingress';
    const own = this.identityOf(ingress ? flow.destination : flow.source);
    const peer = this.identityOf(ingress ? flow.source : flow.destination);
    return this.verdict(own, peer, flow.direction, flow.protocol, flow.port);
  }

  /** What mr_policy_verdict answers for two identities. */
  verdict(own: number, peer: number, direction: Direction, protocol: number, port: number): Lookup {
    const subject = this.#compiled.subjects.find(({ identity }) => identity === own) ?? null;
    const identities = { subject: own, peer };
    if (subject === null || !subject[direction]) {
      return { verdict: 'allow', reason: null, rule: null, identities, subject, rows: { peer: null, everybody: null }, decidedBy: null };
    }
    const everybody = this.#longest(subject.policy, 0, direction, protocol, port);
    const concrete = peer === 0 ? null : this.#longest(subject.policy, peer, direction, protocol, port);
    const rows = { peer: concrete, everybody };
    if (everybody === null) return { verdict: 'deny', reason: 203, rule: null, identities, subject, rows, decidedBy: null };
    for (const tier of [0, 1, 2] as const) {
      const all = everybody.tiers[tier];
      const one: PolicyCell | null = concrete?.tiers[tier] ?? null;
      // On a tie the concrete peer's rule is named.
      const concreteHolds = one !== null && one.precedence >= all.precedence;
      const cell = concreteHolds ? one : all;
      const row = concreteHolds && concrete !== null ? concrete : everybody;
      const action = cell.precedence % 256;
      const rule = this.#compiled.rules.get(cell.rule) ?? null;
      const decidedBy = { row, tier };
      if (action === actions.allow) return { verdict: 'allow', reason: null, rule, identities, subject, rows, decidedBy };
      if (action === actions.deny) return { verdict: 'deny', reason: 181, rule, identities, subject, rows, decidedBy };
      if (action === actions.defaultDeny) return { verdict: 'deny', reason: 133, rule, identities, subject, rows, decidedBy };
    }
    return { verdict: 'allow', reason: null, rule: null, identities, subject, rows, decidedBy: null };
  }

  #longest(policy: number, peer: number, direction: Direction, protocol: number, port: number): PolicyRow | null {
    for (const row of this.#rowsOf(policy).get(`${peer} ${direction}`) ?? []) {
      if (row.protocol === 0) return row;
      const prefix: PortPrefix = { port: row.port, bits: row.portBits };
      if (row.protocol === protocol && inPortPrefix(prefix, port)) return row;
    }
    return null;
  }

  #rowsOf(policy: number): ReadonlyMap<string, readonly PolicyRow[]> {
    const known = this.#rows.get(policy);
    if (known !== undefined) return known;
    const made = new Map<string, PolicyRow[]>();
    for (const row of this.#compiled.rows.get(policy) ?? []) {
      const key = `${row.peer} ${row.direction}`;
      const list = made.get(key);
      if (list === undefined) made.set(key, [row]);
      else list.push(row);
    }
    const length = ({ protocol, portBits }: PolicyRow) => (protocol === 0 ? 0 : 8 + portBits);
    for (const list of made.values()) list.sort((a, b) => length(b) - length(a));
    this.#rows.set(policy, made);
    return made;
  }
}
