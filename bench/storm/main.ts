import { argv, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { exitCodes } from '../../src/base/errors.ts';
import { formatTable, toJson } from '../../src/cli/print.ts';
import { boundedNumber } from '../support/bounded-number.ts';
import { describeMachine, machineFacts } from '../support/machine.ts';
import { runMain } from '../support/main-program.ts';
import type { StormResult } from './run.ts';
import { runStorm } from './run.ts';
import type { Usage } from './usage.ts';

const usage = `npm run bench:storm -- [--seconds N] [--rate N] [--clients N] [-o table|json]

A storm of connections through the redirection of a real agent; then whether maps, sockets, descriptors and memory are where they were.
  --seconds N   60 unless given, 300 at most
  --rate N      connections a second, 50000 at most and unless given; a machine that cannot does what it can
  --clients N   client processes, 4 unless given, 16 at most
Exits with 1 when something grew or a whole exchange failed.
`;

await runMain(async () => {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      seconds: { type: 'string' },
      rate: { type: 'string' },
      clients: { type: 'string' },
      output: { type: 'string', short: 'o', default: 'table' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || !['table', 'json'].includes(values.output)) {
    stdout.write(usage);
    return values.help ? exitCodes.done : exitCodes.usage;
  }
  const seconds = boundedNumber('seconds', values.seconds, { preset: 60, least: 1, most: 300 });
  const perSecond = boundedNumber('rate', values.rate, { preset: 50_000, least: 100, most: 50_000 });
  const clients = boundedNumber('clients', values.clients, { preset: 4, least: 2, most: 16 });
  const machine = machineFacts();
  const result = await runStorm({ seconds, perSecond, clients });
  stdout.write(
    values.output === 'json' ? `${toJson({ machine, ...result })}\n` : `${describeMachine(machine)}\n${formatStorm(result, seconds)}`,
  );
  return result.growth.length > 0 || result.tally.failed > 0 ? exitCodes.failed : exitCodes.done;
});

function formatStorm({ tally, before, after, growth }: StormResult, seconds: number): string {
  const { attempts, whole, refused, failed } = tally;
  const rows = [...new Set([...rowsOf(before).keys(), ...rowsOf(after).keys()])];
  const cell = (of: Usage, row: string) => String(rowsOf(of).get(row) ?? '-');
  return [
    `${attempts} connections in ${seconds} s (${Math.round(attempts / seconds)} a second): ${whole} whole exchanges, ${refused} refused, ${failed} failed\n`,
    formatTable(rows, [
      { title: 'WHAT', value: (row) => row },
      { title: 'BEFORE', value: (row) => cell(before, row), align: 'right' },
      { title: 'AFTER', value: (row) => cell(after, row), align: 'right' },
    ]),
    growth.length === 0 ? 'nothing grew\n' : `${growth.join('\n')}\n`,
  ].join('');
}

function rowsOf(of: Usage): ReadonlyMap<string, number> {
  return new Map([
    ...Object.entries(of.entries).map(([name, count]): [string, number] => [`entries of ${name}`, count]),
    ...Object.entries(of.mapBytes).map(([name, bytes]): [string, number] => [`bytes of ${name}`, bytes]),
    ['descriptors of the agent', of.descriptors],
    ['resident KiB of the agent', of.residentKiB],
    ['sockets of the pods', of.sockets],
  ]);
}
