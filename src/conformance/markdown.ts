import type { RowResult } from './types.ts';
/** The document. */
export function conformanceDocument(results: readonly RowResult[]): string {
  return String(results.length);
}
