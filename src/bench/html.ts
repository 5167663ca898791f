import type { BenchColumn } from './columns.ts';
import { ratioColumns, streamColumns, valueColumns } from './columns.ts';
import { factsOf, methodText } from './facts.ts';
import { metricTexts } from './metrics.ts';
import { scenarioText, sizeText } from './plan.ts';
import type { BenchSummary, ScenarioSummary, StreamSummary } from './summary.ts';
import type { Series } from './svg.ts';
import { barChart, cdfPlot, escapeXml } from './svg.ts';
import type { BenchReport, MetricName } from './types.ts';

/** Distinguishable also for who does not see red and green (Okabe and Ito). */
const tones = ['#888888', '#d55e00', '#56b4e9', '#0072b2', '#009e73', '#cc79a7', '#e69f00', '#f0e442'] as const;
/** The figures that get bars. */
const charted: readonly MetricName[] = ['rps', 'p99', 'proxyPerRequest', 'systemPer1000'];

const style = `:root{color-scheme:light dark;--ink:#1c1c1c;--soft:#6a6a6a;--line:#d8d8d8;--paper:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--soft:#a0a0a0;--line:#3a3a3a;--paper:#161616}}
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:var(--ink);background:var(--paper)}
h1,h2{line-height:1.2}h2{margin-top:2.5rem;border-top:1px solid var(--line);padding-top:1rem}
.facts{color:var(--soft);font-size:13px}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;margin:.5rem 0}
th,td{padding:.2rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}.right{text-align:right}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:1rem 2rem}figure{margin:0}
figcaption{font-size:13px;color:var(--soft)}svg{width:100%;height:auto}svg text{font-size:12px;fill:var(--ink)}
.grid{stroke:var(--line);fill:none}.spread{stroke:var(--ink);stroke-width:1.5;fill:none}.line{fill:none;stroke-width:2}
.key{font-size:13px}.key span{display:inline-block;margin-right:1rem}.key i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}
${tones.map((tone, index) => `.tone${index}{fill:${tone}}.line${index}{stroke:${tone}}i.tone${index}{background:${tone}}`).join('\n')}`;

/** One page that needs nothing else: the facts, and for every scenario its plots and tables. */
export function htmlReport(report: BenchReport, summary: BenchSummary): string {
  const tone = new Map(report.configurations.map(({ name }, index) => [name, index % tones.length]));
  const toneOf = (name: string): number => tone.get(name) ?? 0;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Millrace benchmark</title><style>${style}</style></head><body>
<h1>Millrace benchmark</h1>
<p class="facts">${factsOf(report).map(escapeXml).join('<br>')}</p>
${methodText.map((paragraph) => `<p>${escapeXml(paragraph).replace(/`([^`]*)`/g, '<code>$1</code>')}</p>`).join('\n')}
${summary.scenarios.map((scenario) => scenarioSection(scenario, toneOf)).join('\n')}
${streamSection(summary.streams, toneOf)}
</body></html>
`;
}

function scenarioSection({ scenario, configurations }: ScenarioSummary, toneOf: (name: string) => number): string {
  const series = <Value>(value: (row: (typeof configurations)[number]) => Value): readonly Series<Value>[] =>
    configurations.map((row) => ({ name: row.configuration, tone: toneOf(row.configuration), value: value(row) }));
  const bars = charted.map((metric) => {
    const { title, unit, digits, better } = metricTexts[metric];
    return figure(
      barChart(
        series(({ values }) => values[metric]),
        digits,
      ),
      `${title}: ${unit}; ${better} is better. The line is the spread of the rounds.`,
    );
  });
  const plot = figure(
    cdfPlot(series(({ histogram }) => histogram)),
    'Latency: the share of requests answered within a time, all rounds together.',
  );
  return `<section><h2>${escapeXml(scenarioText(scenario))}</h2>
<p class="key">${series(() => null)
    .map(({ name, tone }) => `<span><i class="tone${tone}"></i>${escapeXml(name)}</span>`)
    .join('')}</p>
<div class="charts">${plot}${bars.join('')}</div>
${table(configurations, valueColumns)}${table(configurations, ratioColumns)}</section>`;
}

function streamSection(streams: readonly StreamSummary[], toneOf: (name: string) => number): string {
  if (streams.length === 0) return '';
  const charts = streams.map(({ scenario, configurations }) => {
    const bars = configurations.map(({ configuration, gigabits }) => ({
      name: configuration,
      tone: toneOf(configuration),
      value: gigabits,
    }));
    return figure(barChart(bars, 2), `Gb/s, ${scenario.way}, writes of ${sizeText(scenario.piece)}`) + table(configurations, streamColumns);
  });
  return `<section><h2>Streams</h2><div class="charts">${charts.map((chart) => `<div>${chart}</div>`).join('')}</div></section>`;
}

function figure(drawing: string, caption: string): string {
  return drawing === '' ? '' : `<figure>${drawing}<figcaption>${escapeXml(caption)}</figcaption></figure>`;
}

function table<Row>(rows: readonly Row[], columns: readonly BenchColumn<Row>[]): string {
  const cell = (tag: 'th' | 'td', column: BenchColumn<Row>, content: string) =>
    `<${tag}${column.align === 'right' ? ' class="right"' : ''}>${escapeXml(content)}</${tag}>`;
  const head = columns.map((column) => cell('th', column, column.title)).join('');
  const body = rows.map((row) => `<tr>${columns.map((column) => cell('td', column, column.value(row))).join('')}</tr>`).join('');
  return `<div class="scroll"><table><tr>${head}</tr>${body}</table></div>`;
}
