import { argv, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { Bench } from 'tinybench';
import { Cleanup } from '../../src/base/cleanup.ts';
import { exitCodes } from '../../src/base/errors.ts';
import { toJson } from '../../src/cli/print.ts';
import { boundedNumber } from '../support/bounded-number.ts';
import { machineFacts } from '../support/machine.ts';
import { runMain } from '../support/main-program.ts';
import type { Case } from './cases.ts';
import { agentCases } from './cases.ts';
import type { AgentReport, CaseResult } from './report.ts';
import { formatMarkdown, formatReport } from './report.ts';

const usage = `npm run bench:agent -- [--milliseconds N] [-o table|json|markdown]

What the agent does for an event, for a row of a map and for a pod, one by one.
  --milliseconds N  of every case, 500 unless given
  -o FORMAT         table, json or markdown
`;

await runMain(async () => {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      milliseconds: { type: 'string' },
      output: { type: 'string', short: 'o', default: 'table' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || !['table', 'json', 'markdown'].includes(values.output)) {
    stdout.write(usage);
    return values.help ? exitCodes.done : exitCodes.usage;
  }
  const time = boundedNumber('milliseconds', values.milliseconds, { preset: 500, least: 10, most: 60_000 });
  const machine = machineFacts();
  await using cleanup = new Cleanup();
  const results: CaseResult[] = [];
  for (const task of await agentCases(cleanup)) {
    stderr.write(`${task.name}\n`);
    results.push(await timed(task, time));
  }
  const report: AgentReport = { machine, results };
  const formats: Readonly<Record<string, () => string>> = { json: () => `${toJson(report)}\n`, markdown: () => formatMarkdown(report) };
  stdout.write(formats[values.output]?.() ?? formatReport(report));
  return exitCodes.done;
});

/** Runs one case after a warm-up. @throws what it throws */
async function timed({ name, batch, before, run }: Case, time: number): Promise<CaseResult> {
  const bench = new Bench({ time, warmupTime: time / 5, throws: true });
  bench.add(name, run, before === undefined ? {} : { beforeEach: before });
  const [task] = await bench.run();
  const result = task?.result;
  if (result === undefined || !('latency' in result)) throw new Error(`${name} was not measured`);
  const { p50, p99, samplesCount } = result.latency;
  // Milliseconds of a call.
  return { name, median: (p50 * 1e6) / batch, p99: (p99 * 1e6) / batch, samples: samplesCount };
}
