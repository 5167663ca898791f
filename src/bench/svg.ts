import type { Spread } from './statistics.ts';
import type { Bucket } from './types.ts';

/** A line of a plot or a bar of a chart. `tone` is the number of its colour. */
export interface Series<Value> {
  readonly name: string;
  readonly tone: number;
  readonly value: Value;
}

const width = 640;
const left = 150;
const right = 110;
const barHeight = 22;
const plotHeight = 260;
const margin = { top: 10, bottom: 40, left: 48, right: 16 } as const;

/** Bars from nought to the median, with a line from the least to the greatest. */
export function barChart(series: readonly Series<Spread>[], digits: number): string {
  const most = Math.max(...series.map(({ value }) => value.highest).filter(Number.isFinite), 0);
  const scale = (value: number) => left + (most === 0 ? 0 : (value / most) * (width - left - right));
  const height = series.length * (barHeight + 8) + 4;
  const bars = series.map(({ name, tone, value: { median, lowest, highest } }, index) => {
    const y = index * (barHeight + 8) + 4;
    const middle = y + barHeight / 2;
    if (!Number.isFinite(median)) return text(left - 8, middle + 4, name, 'end');
    return [
      text(left - 8, middle + 4, name, 'end'),
      `<rect class="tone${tone}" x="${left}" y="${y}" width="${fixed(scale(median) - left)}" height="${barHeight}" rx="2"/>`,
      `<path class="spread" d="M${fixed(scale(lowest))} ${middle}H${fixed(scale(highest))}M${fixed(scale(lowest))} ${middle - 5}v10M${fixed(scale(highest))} ${middle - 5}v10"/>`,
      text(scale(highest) + 8, middle + 4, median.toFixed(digits), 'start'),
    ].join('');
  });
  return svg(height, bars.join(''), 'bars of medians with their spread');
}

/** The share of requests that were answered within a time, for every time; the time axis is logarithmic. */
export function cdfPlot(series: readonly Series<readonly Bucket[]>[]): string {
  const bounds = series.flatMap(({ value }) => value.map(({ until }) => until)).filter((until) => until > 0);
  const least = Math.min(...bounds);
  const most = Math.max(...bounds);
  if (bounds.length === 0 || least >= most) return '';
  const inner = { width: width - margin.left - margin.right, height: plotHeight - margin.top - margin.bottom };
  const x = (ms: number) => margin.left + (Math.log(Math.max(ms, least) / least) / Math.log(most / least)) * inner.width;
  const y = (share: number) => margin.top + (1 - share) * inner.height;
  const grid = [0, 0.25, 0.5, 0.75, 0.9, 0.99].map(
    (share) =>
      `<path class="grid" d="M${margin.left} ${fixed(y(share))}H${width - margin.right}"/>${share === 0.99 ? '' : text(margin.left - 6, y(share) + 4, `${share * 100} %`, 'end')}`,
  );
  const ticks = ticksBetween(least, most).map(
    (ms) =>
      `<path class="grid" d="M${fixed(x(ms))} ${margin.top}V${plotHeight - margin.bottom}"/>${text(x(ms), plotHeight - margin.bottom + 16, `${ms}`, 'middle')}`,
  );
  const lines = series.map(({ name, tone, value }) => {
    const total = value.reduce((sum, { count }) => sum + count, 0);
    let seen = 0;
    const points = value.map(({ until, count }) => {
      seen += count;
      return `${fixed(x(until))} ${fixed(y(seen / total))}`;
    });
    return `<path class="line line${tone}" d="M${points.join('L')}"><title>${escapeXml(name)}</title></path>`;
  });
  const caption = text(margin.left + inner.width / 2, plotHeight - 6, 'milliseconds, logarithmic', 'middle');
  return svg(plotHeight, [...grid, ...ticks, ...lines, caption].join(''), 'cumulative share of requests by latency');
}

/** 1, 2 and 5 times the powers of ten between two times. */
function ticksBetween(least: number, most: number): readonly number[] {
  const first = Math.floor(Math.log10(least));
  const powers = Array.from({ length: Math.ceil(Math.log10(most)) - first + 1 }, (_, index) => first + index);
  const all = powers.flatMap((power) => [1, 2, 5].map((digit) => Number((digit * 10 ** power).toPrecision(1))));
  return all.filter((tick) => tick >= least && tick <= most);
}

/** Text for the inside of an element or an attribute. */
export function escapeXml(raw: string): string {
  return raw.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

function svg(height: number, inner: string, label: string): string {
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">${inner}</svg>`;
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${escapeXml(content)}</text>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}
