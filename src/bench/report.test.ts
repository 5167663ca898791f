import { describe, expect, it } from 'vitest';
import { benchTable } from '../cli/bench-table.ts';
import { htmlReport } from './html.ts';
import { markdownReport, sectionEnd, sectionStart, withSection } from './markdown.ts';
import { merged, summarize } from './summary.ts';
import { barChart, cdfPlot } from './svg.ts';
import type { BenchReport, Metrics, Sample } from './types.ts';

function sample(configuration: string, round: number, rps: number, p99: number): Sample {
  const metrics: Metrics = {
    rps,
    average: 1,
    p50: 1,
    p75: 2,
    p90: 3,
    p99,
    proxyCores: configuration === 'none' ? 0 : 0.5,
    proxyPerRequest: configuration === 'none' ? 0 : 100,
    proxyUserPerRequest: configuration === 'none' ? 0 : 60,
    systemPer1000: 50,
    cpuPerRequest: 80,
    switchesPerRequest: 4,
  };
  return {
    configuration,
    round,
    requests: rps,
    failed: round,
    metrics,
    histogram: [
      { until: p99, count: 10 },
      { until: 1, count: 90 },
    ],
  };
}

const report: BenchReport = {
  kind: 'millrace bench',
  command: 'millrace bench <x>',
  started: '2026-01-02T03:04:05.000Z',
  seconds: 30,
  machine: {
    kernel: '6.18',
    processor: 'A & B',
    processors: 2,
    memory: 8,
    node: 'v20',
    millrace: '0.1.0',
    proxy: 'Envoy 1.40.0',
    load: 'fortio 1.66.3',
    busyBefore: 0.1,
    busyAfter: 1.2,
  },
  rounds: 3,
  duration: 1,
  configurations: (['none', 'iptables', 'ebpf'] as const).map((kind) => ({ name: kind, kind, rules: null })),
  scenarios: [
    {
      scenario: { layout: 'one CPU', mtls: 'off', mode: { kind: 'keep-alive' }, connections: 16, body: 0 },
      // The machine gets slower from round to round, and every configuration with it.
      samples: [1, 2, 4].flatMap((slow, round) => [
        sample('iptables', round, 400 / slow, 10 * slow),
        sample('none', round, 4000 / slow, slow),
        sample('ebpf', round, (400 + 100 * round) / slow, 5 * slow),
      ]),
    },
  ],
  streams: [
    {
      scenario: { layout: 'spread', way: 'one proxy', piece: 64 },
      samples: [
        { configuration: 'iptables', round: 0, gigabits: 1 },
        { configuration: 'ebpf', round: 0, gigabits: 2 },
      ],
    },
  ],
};
const summary = summarize(report);

describe('summarize()', () => {
  const [scenario] = summary.scenarios;
  const of = (name: string) => scenario?.configurations.find(({ configuration }) => configuration === name);

  it('takes ratios within a round when the machine gets slower from round to round', () => {
    expect(of('ebpf')?.over.iptables?.rps).toEqual({ median: 1.25, lowest: 1, highest: 1.5 });
    expect(of('ebpf')?.over.none?.p99).toEqual({ median: 5, lowest: 5, highest: 5 });
    expect(of('ebpf')?.values.rps).toEqual({ median: 250, lowest: 150, highest: 400 });
  });

  it('compares nothing with itself, nor with what has no such cost', () => {
    expect(of('iptables')?.over.iptables).toBeNull();
    expect(of('none')?.over.none).toBeNull();
    expect(of('ebpf')?.over.none?.proxyPerRequest.median).toBeNaN();
  });

  it('adds failures up and keeps the order of the configurations', () => {
    expect(scenario?.configurations.map(({ configuration, failed }) => `${configuration} ${failed}`)).toEqual([
      'none 3',
      'iptables 3',
      'ebpf 3',
    ]);
  });

  it('compares streams with the same way without acceleration', () => {
    expect(summary.streams[0]?.configurations.map(({ overPlain }) => overPlain?.median ?? null)).toEqual([0.5, null]);
  });
});

describe('merged()', () => {
  it('adds buckets of one bound and orders them by number', () => {
    expect(
      merged([
        [{ until: 10, count: 1 }],
        [
          { until: 9, count: 2 },
          { until: 10, count: 3 },
        ],
      ]),
    ).toEqual([
      { until: 9, count: 2 },
      { until: 10, count: 4 },
    ]);
  });
});

describe('benchTable()', () => {
  const lines = benchTable(report, summary).split('\n');

  it('names the machine, then shows medians, ratios with their spread, and streams', () => {
    expect(lines[1]).toContain('Linux 6.18, 2 × A & B');
    expect(lines).toContain('16 connections, keep-alive, answers of 0 B, mTLS off, one CPU');
    expect(lines.find((line) => line.startsWith('ebpf') && line.includes('250'))).toMatch(/^ebpf +250 +1\.000 .* 3$/);
    expect(lines.find((line) => line.startsWith('ebpf') && line.includes('('))).toMatch(
      /^ebpf +1\.25 \(1\.00–1\.50\) +0\.50 \(0\.50–0\.50\)/,
    );
    expect(lines.at(-2)).toMatch(/^ebpf +2\.00 \(2\.00–2\.00\) +-$/);
  });

  it('warns when the machine was busy before', () => {
    expect(lines.join('\n')).not.toContain('NOT QUIET');
    const busy = { ...report, machine: { ...report.machine, busyBefore: 5 } };
    expect(benchTable(busy, summary)).toContain('NOT QUIET');
  });
});

describe('markdownReport()', () => {
  const text = markdownReport(report, summary);

  it('is a section between its marks, with tables of one width', () => {
    expect(text.startsWith(sectionStart)).toBe(true);
    expect(text.trimEnd().endsWith(sectionEnd)).toBe(true);
    const rows = text.split('\n').filter((line) => line.startsWith('|'));
    expect(rows.length).toBeGreaterThan(8);
    const widths = new Set(rows.map((row) => row.split('|').length));
    expect([...widths].sort()).toHaveLength(3);
  });

  it('replaces only itself when it is put into a document', () => {
    const first = withSection('# Title\n\nbefore\n', text);
    expect(first.startsWith('# Title\n\nbefore\n\n<!--')).toBe(true);
    const after = `${first}\nafter\n`;
    const again = withSection(after, text.replace('## Requests', '## Newer requests'));
    expect(again).toBe(after.replace('## Requests', '## Newer requests'));
    expect(withSection('', text)).toBe(text);
  });
});

describe('htmlReport()', () => {
  const page = htmlReport(report, summary);

  it('needs nothing from anywhere else, and no script', () => {
    expect(page).not.toMatch(/<script|<link|\bsrc=|\bhref=|url\(|@import|https?:/i);
  });

  it('escapes what it was given', () => {
    expect(page).toContain('millrace bench &lt;x&gt;');
    expect(page).toContain('A &amp; B');
  });

  it('draws a plot and bars for every scenario, without a number that is none', () => {
    expect(page.match(/<svg/g)).toHaveLength(6);
    expect(page.match(/class="line /g)).toHaveLength(3);
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe('barChart()', () => {
  it('leaves out the bar, not the name, when nothing was measured', () => {
    const none = { median: Number.NaN, lowest: Number.NaN, highest: Number.NaN };
    const drawing = barChart(
      [
        { name: 'none', tone: 0, value: none },
        { name: 'ebpf', tone: 1, value: { median: 2, lowest: 1, highest: 3 } },
      ],
      1,
    );
    expect(drawing.match(/<rect/g)).toHaveLength(1);
    expect(drawing).toContain('>none<');
    expect(drawing).not.toContain('NaN');
  });
});

describe('cdfPlot()', () => {
  it('is empty when there are no latencies, and ends at the top when there are', () => {
    expect(cdfPlot([{ name: 'a', tone: 0, value: [] }])).toBe('');
    const drawing = cdfPlot([
      {
        name: 'a',
        tone: 0,
        value: [
          { until: 1, count: 1 },
          { until: 100, count: 3 },
        ],
      },
    ]);
    expect(drawing).toMatch(/class="line line0" d="M48\.0 167\.5L624\.0 10\.0"/);
    for (const tick of ['1', '10', '50', '100']) expect(drawing).toContain(`>${tick}</text>`);
  });
});
