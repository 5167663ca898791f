import { exitCodes, UserError } from '../base/errors.ts';

const units: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** Seconds of `500ms`, `60s`, `10m` or `1h`. Pure. @throws UserError USAGE */
export function parseSeconds(text: string): number {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const scale = units[unit];
  if (scale !== undefined) return Number(amount) * scale;
  throw new UserError('USAGE', `Cannot read a duration because it has no unit that is known: ${text}`, {
    cure: 'Give a number with ms, s, m or h, such as 60s.',
    exitCode: exitCodes.usage,
  });
}
