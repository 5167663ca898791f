import { MillraceError } from '../../base/errors.ts';

/** The rest of a value is not repeated: the message travels in a header. */
const longestValue = 256;

/** What a filter that makes no sense raises: FILTER_INVALID. `field` is the name in Hubble's API. */
export function filterError(field: string, reason: string, given: string): MillraceError {
  const value = given.length > longestValue ? `${given.slice(0, longestValue)}…` : given;
  return new MillraceError('FILTER_INVALID', `Cannot filter by ${field} because ${reason}: current value ${JSON.stringify(value)}`, {
    data: { field, value },
  });
}
