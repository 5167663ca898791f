import { MillraceError } from '../../base/errors.ts';

/** What a filter that makes no sense raises: FILTER_INVALID. `field` is the name in Hubble's API. */
export function filterError(field: string, reason: string, value: string): MillraceError {
  return new MillraceError('FILTER_INVALID', `Cannot filter by ${field} because ${reason}: current value ${JSON.stringify(value)}`, {
    data: { field, value },
  });
}
