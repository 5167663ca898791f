import type { MatchType, PolicyRule, PortMatch } from './types.ts';

/** Cilium's word for how closely a rule names what it matches. `port` null: every protocol and port. */
export function matchTypeOf(rule: PolicyRule, port: PortMatch | null): MatchType {
  const everybody = rule.peers.kind === 'everybody';
  if (port === null) return everybody ? 'all' : 'L3-Only';
  if (port.kind === 'range' && port.first === 0 && port.last === 65535) return everybody ? 'Proto-Only' : 'L3-Proto';
  return everybody ? 'L4-Only' : 'L3-L4';
}
