import type { Timestamp } from '../types.ts';

/** Formats of time by the names that Hubble gives them, in the order of its help. */
export const timeFormats = [
  'YearMonthDay',
  'YearMonthDayHour',
  'YearMonthDayHourMinute',
  'StampMilli',
  'RFC3339',
  'RFC3339Milli',
  'RFC3339Micro',
  'RFC3339Nano',
  'RFC1123Z',
] as const;
export type TimeFormat = (typeof timeFormats)[number];

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;

/** The range of google.protobuf.Timestamp: the years 1 to 9999. */
const firstSecond = -62135596800n;
const lastSecond = 253402300799n;

/** A time in UTC; `N/A` where there is none, or one that the API does not allow. */
export function formatTime(time: Timestamp | undefined, format: TimeFormat): string {
  const { seconds, nanos } = time ?? { seconds: 0n, nanos: 0 };
  if (time === undefined || seconds < firstSecond || seconds > lastSecond || nanos < 0 || nanos > 999_999_999) return 'N/A';
  const date = new Date(Number(seconds) * 1000);
  const day = `${String(date.getUTCFullYear()).padStart(4, '0')}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  const minute = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  const clock = `${minute}:${two(date.getUTCSeconds())}`;
  const fraction = String(nanos).padStart(9, '0');
  switch (format) {
    case 'YearMonthDay':
      return day;
    case 'YearMonthDayHour':
      return `${day}T${two(date.getUTCHours())}Z`;
    case 'YearMonthDayHourMinute':
      return `${day}T${minute}Z`;
    case 'RFC3339':
      return `${day}T${clock}Z`;
    case 'RFC3339Milli':
      return `${day}T${clock}${trimmed(fraction.slice(0, 3))}Z`;
    case 'RFC3339Micro':
      return `${day}T${clock}${trimmed(fraction.slice(0, 6))}Z`;
    case 'RFC3339Nano':
      return `${day}T${clock}${trimmed(fraction)}Z`;
    case 'RFC1123Z':
      return `${days[date.getUTCDay()]}, ${two(date.getUTCDate())} ${months[date.getUTCMonth()]} ${day.slice(0, 4)} ${clock} +0000`;
    case 'StampMilli':
      return `${months[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)} ${clock}.${fraction.slice(0, 3)}`;
  }
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function trimmed(fraction: string): string {
  const digits = fraction.replace(/0+$/, '');
  return digits === '' ? '' : `.${digits}`;
}
