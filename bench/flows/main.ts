import { argv, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { exitCodes } from '../../src/base/errors.ts';
import { toJson } from '../../src/cli/print.ts';
import { boundedNumber } from '../support/bounded-number.ts';
import { describeMachine, machineFacts } from '../support/machine.ts';
import { runMain } from '../support/main-program.ts';
import { benchFlows } from './measure.ts';
import type { FlowStormResult } from './storm.ts';
import { runFlowStorm } from './storm.ts';

const usage = `npm run bench:flows -- [--storm [--seconds N] [--rate N] [--flow-limit N]] [-o table|json]

What one event costs the agent on its way, step by step.
  --storm         instead: a pod floods the node with packets that policy drops, before a real agent who is asked for drops meanwhile
  --seconds N     30 unless given, 120 at most
  --rate N        packets a second, 100000 unless given
  --flow-limit N  events of the pod on one CPU within a second; 0 (all) unless given
Exits with 1 when an event of the storm is neither delivered nor counted as lost, the agent takes a whole core, or a query 200 ms.
`;

/** Milliseconds for each row. */
const patience = 1000;
/** Of the query that took longest. */
const queryMs = 200;

await runMain(async () => {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      storm: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      rate: { type: 'string' },
      'flow-limit': { type: 'string' },
      output: { type: 'string', short: 'o', default: 'table' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || !['table', 'json'].includes(values.output)) {
    stdout.write(usage);
    return values.help ? exitCodes.done : exitCodes.usage;
  }
  const machine = machineFacts();
  const json = values.output === 'json';
  if (!values.storm) {
    const rows = await benchFlows(patience);
    const lines = rows.map(({ name, nanoseconds }) => `${name.padEnd(45)} ${nanoseconds.toFixed(0).padStart(8)} ns\n`);
    stdout.write(json ? `${toJson({ machine, rows })}\n` : lines.join(''));
    return exitCodes.done;
  }
  const result = await runFlowStorm({
    seconds: boundedNumber('seconds', values.seconds, { preset: 30, least: 1, most: 120 }),
    perSecond: boundedNumber('rate', values.rate, { preset: 100_000, least: 1000, most: 1_000_000 }),
    flowLimit: boundedNumber('flow-limit', values['flow-limit'], { preset: 0, least: 0, most: 10_000_000 }),
  });
  stdout.write(json ? `${toJson({ machine, ...result })}\n` : `${describeMachine(machine)}\n${formatStorm(result)}`);
  return isGood(result) ? exitCodes.done : exitCodes.failed;
});

function isGood({ events, cores, queries }: FlowStormResult): boolean {
  return events.emitted === events.delivered + events.lost && cores < 1 && queries.slowest < queryMs;
}

function formatStorm({ seconds, sent, dropped, events, cores, residentMiB, queries }: FlowStormResult): string {
  const { emitted, delivered, lost, suppressed } = events;
  return [
    `${sent} packets sent in ${seconds.toFixed(1)} s, ${dropped} dropped by policy (${Math.round(dropped / seconds)} a second)\n`,
    `events: ${emitted} emitted = ${delivered} delivered + ${lost} lost${emitted === delivered + lost ? '' : ' (they differ)'}; ${suppressed} kept back\n`,
    `the agent took ${cores.toFixed(2)} of a core and has ${Math.round(residentMiB)} MiB\n`,
    `${queries.count} queries for 20 drops: ${queries.median.toFixed(0)} ms (median), ${queries.slowest.toFixed(0)} ms (slowest)\n`,
  ].join('');
}
