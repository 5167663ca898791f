import { exitCodes, UserError } from '../../src/base/errors.ts';

/** A whole number of the command line within its bounds, or `preset`. Throws UserError USAGE. */
export function boundedNumber(option: string, text: string | undefined, bounds: { preset: number; least: number; most: number }): number {
  if (text === undefined) return bounds.preset;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= bounds.least && value <= bounds.most) return value;
  throw new UserError('USAGE', `Cannot run because --${option} is not a number that it may be: current value ${JSON.stringify(text)}`, {
    cure: `Give a whole number from ${bounds.least} to ${bounds.most}.`,
    exitCode: exitCodes.usage,
  });
}
