import type { Flow } from '../types.ts';

/** Whether a flow is wanted. */
export type Matcher = (flow: Flow) => boolean;

/** One matcher for a list that is there and not empty; none otherwise, because an empty list wants everything. */
export function given<T>(list: readonly T[] | undefined, make: (list: readonly T[]) => Matcher): readonly Matcher[] {
  return list === undefined || list.length === 0 ? [] : [make(list)];
}

/** A matcher for a value that must be one of a list. */
export function oneOf<T>(list: readonly T[] | undefined, of: (flow: Flow) => T | undefined): readonly Matcher[] {
  return given(list, (values) => {
    const wanted = new Set<T | undefined>(values);
    return (flow) => wanted.has(of(flow));
  });
}
