import { UserError } from '../../base/errors.ts';

const units: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Reads Go's durations (`1h43m`, `1.5s`, `-3ms`) as nanoseconds; null for anything else. */
export function parseDuration(text: string): bigint | null {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.exec(text);
  if (match === null) return /^[+-]?0$/.test(text) ? 0n : null;
  let total = 0;
  for (const [, number = '', unit = ''] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g))
    total += Number(number) * (units[unit] ?? 0);
  return BigInt(Math.round(match[1] === '-' ? -total : total));
}

/**
 * Reads `--since` and `--until`: a duration before now, a date, or a time in one of Hubble's formats, as nanoseconds since 1970.
 * Throws UserError USAGE.
 */
export function parseTimeInput(option: string, text: string, nowMs: number): bigint {
  const duration = parseDuration(text);
  if (duration !== null) return BigInt(nowMs) * 1_000_000n - duration;
  const time = parseIso(text) ?? parseMail(text);
  if (time !== null) return time;
  throw new UserError(
    'USAGE',
    `Cannot read --${option} because it is neither a duration nor a time: current value ${JSON.stringify(text)}`,
    {
      cure: 'Write a duration (3s, 4m, 1h43m), a date (2026-01-31) or a time with its zone (2026-01-31T12:00:00Z).',
      exitCode: 2,
    },
  );
}

function parseIso(text: string): bigint | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?(Z|[+-]\d\d:\d\d))?$/.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = match;
  return nanoseconds(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    fraction,
    zone.replace(':', ''),
  );
}

function parseMail(text: string): bigint | null {
  const match = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d{4})$/.exec(text);
  if (match === null) return null;
  const [, day, month = '', year, hour, minute, second, zone = ''] = match;
  return nanoseconds(Number(year), months.indexOf(month), Number(day), Number(hour), Number(minute), Number(second), '', zone);
}

function nanoseconds(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  fraction: string,
  zone: string,
): bigint | null {
  const date = new Date(Date.UTC(year, month, day, hour, minute, second));
  const exists = date.getUTCMonth() === month && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!exists) return null;
  const offset = zone === 'Z' ? 0 : Number(`${zone[0]}1`) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3, 5)));
  return (BigInt(date.getTime()) - BigInt(offset) * 60_000n) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
