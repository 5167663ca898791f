import type { Flow } from '../types.ts';
import { endpointMatchers } from './endpoint.ts';
import { filterError } from './error.ts';
import { httpMatchers } from './http.ts';
import type { Matcher } from './matcher.ts';
import { packetMatchers } from './packet.ts';
import type { FlowFilter } from './types.ts';

/** In one list: a client that means well has a handful, and every flow is held against each of them. */
const mostFilters = 1000;

/**
 * One predicate for two lists of filters: a flow passes that any of `allow` matches (or all, where there is none) and none of `deny`. Everything
 * that can be computed once is. @throws MillraceError FILTER_INVALID
 */
export function compileFilters(allow: readonly FlowFilter[], deny: readonly FlowFilter[]): Matcher {
  for (const list of [allow, deny]) {
    if (list.length > mostFilters) throw filterError('filters', `there are more than ${mostFilters}`, String(list.length));
  }
  const allowed = allow.map(compileFilter);
  const denied = deny.map(compileFilter);
  return (flow) => (allowed.length === 0 || anyOf(allowed, flow)) && !anyOf(denied, flow);
}

function anyOf(matchers: readonly Matcher[], flow: Flow): boolean {
  for (const matches of matchers) if (matches(flow)) return true;
  return false;
}

function compileFilter(filter: FlowFilter): Matcher {
  if ((filter.experimental?.celExpression.length ?? 0) > 0) {
    throw filterError('cel_expression', 'Millrace does not evaluate CEL', filter.experimental?.celExpression[0] ?? '');
  }
  const matchers = [...packetMatchers(filter), ...endpointMatchers(filter), ...httpMatchers(filter)];
  return (flow) => {
    for (const matches of matchers) if (!matches(flow)) return false;
    return true;
  };
}
