import type { ProbeResult } from '../kernel/index.ts';
import type { Backend } from '../pods/types.ts';

/** Who redirects on this machine, and why not somebody better. */
export interface BackendChoice {
  readonly backend: Backend;
  readonly reason: string;
}

/** What the programs of each back end need besides what both need. */
const onlyFor: Readonly<Record<string, 'sk_lookup' | 'bind'>> = {
  'program sk_lookup': 'sk_lookup',
  'program cgroup/bind4': 'bind',
  'program cgroup/bind6': 'bind',
};

/**
 * Picks the best back end that the probes allow: eBPF with sk_lookup, eBPF with bind, Istio's rules. Pure. A probe that could not tell counts as
 * "yes": the attempt will say more than a guess, and nothing falls back silently.
 */
export function chooseBackend(results: readonly ProbeResult[]): BackendChoice {
  const missing = results.filter(({ required, answer }) => required && answer.kind === 'no');
  const shared = missing.find(({ name }) => onlyFor[name] === undefined);
  if (shared !== undefined) return { backend: 'iptables', reason: `${shared.name} is missing: ${shared.cost}` };
  const lookup = missing.find(({ name }) => onlyFor[name] === 'sk_lookup');
  if (lookup === undefined) return { backend: 'sk_lookup', reason: 'the kernel has everything that eBPF redirection needs' };
  const bind = missing.find(({ name }) => onlyFor[name] === 'bind');
  if (bind === undefined) return { backend: 'bind', reason: `${lookup.name} is missing: ${lookup.cost}` };
  return { backend: 'iptables', reason: `${lookup.name} and ${bind.name} are missing` };
}
