import { cpus } from 'node:os';
import { argv, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { exitCodes } from '../../src/base/errors.ts';
import { compilePrograms } from '../../src/bench/compile.ts';
import { toJson } from '../../src/cli/print.ts';
import { changeSettings } from '../../src/redirect/ebpf/settings.ts';
import { boundedNumber } from '../support/bounded-number.ts';
import { machineFacts } from '../support/machine.ts';
import { runMain } from '../support/main-program.ts';
import { compare } from './compare.ts';
import { createConfigurations, families } from './configurations.ts';
import { layoutsOf, measure } from './measure.ts';
import { profile } from './profile.ts';
import type { Report } from './report.ts';
import { formatMarkdown, formatReport } from './report.ts';

const usage = `npm run bench:connect -- [--connections N] [--rounds N] [-o table|json|markdown] [--flows] [--profile]

What a new connection costs: directly, through Istio's iptables rules, and through Millrace's programs, for both families.
  --connections N   of every configuration in every round, 20000 unless given
  --rounds N        5 unless given
  -o FORMAT         table, json or markdown
  --flows           every connection is told as a flow when it opens and when it closes (the ring is not read: it is full at once)
  --profile         instead: how long each of our programs runs for one connection
Exits with 1 when a connection failed or reached the proxy without its original destination.
`;

await runMain(async () => {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      connections: { type: 'string' },
      rounds: { type: 'string' },
      output: { type: 'string', short: 'o', default: 'table' },
      flows: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || !['table', 'json', 'markdown'].includes(values.output)) {
    stdout.write(usage);
    return values.help ? exitCodes.done : exitCodes.usage;
  }
  // The namespaces of a run live ten minutes at most, which these bounds leave room for.
  const connections = boundedNumber('connections', values.connections, { preset: 20_000, least: 100, most: 100_000 });
  const rounds = boundedNumber('rounds', values.rounds, { preset: 5, least: 1, most: Math.max(5, Math.floor(500_000 / connections)) });
  const machine = machineFacts();
  using programs = compilePrograms(['bench/connect/client.c', 'bench/connect/server.c']);
  await using configurations = await createConfigurations();
  if (values.flows) changeSettings(configurations.plane.maps, { connections: 1 });
  const layouts = layoutsOf(cpus().length);
  if (values.profile) {
    const ebpf = configurations.all.find(({ name }) => name === 'ebpf');
    const [layout] = layouts;
    if (ebpf === undefined || layout === undefined) throw new Error('there is nothing to profile');
    for (const family of families) stdout.write(`${family}\n${await profile(ebpf, programs, layout, family, connections)}\n`);
    return exitCodes.done;
  }
  const samples = await measure(configurations.all, programs, {
    connections,
    rounds,
    layouts,
    onSample: ({ layout, family, configuration, round, median, failed }) => {
      stderr.write(
        `${layout}, round ${round + 1}, ${family} ${configuration}: ${median.toFixed(2)} µs${failed > 0 ? `, ${failed} failed` : ''}\n`,
      );
    },
  });
  const command = `npm run bench:connect -- --connections ${connections} --rounds ${rounds}`;
  const report: Report = { command, machine, connections, rounds, results: compare(samples) };
  stdout.write(format(values.output, report));
  return samples.some(({ failed }) => failed > 0) ? exitCodes.failed : exitCodes.done;
});

function format(output: string, report: Report): string {
  if (output === 'json') return `${toJson(report)}\n`;
  return output === 'markdown' ? formatMarkdown(report) : formatReport(report);
}
