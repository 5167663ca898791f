import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { formatTable, toJson } from './print.ts';

/** How many failures are told in full. */
const toldFailures = 20;

/** `millrace torture`: accelerated connections held to plain TCP. */
export const torture = defineCommand({
  description:
    'Makes pods of its own and does with their connections what programs do, each thing on plain TCP and accelerated, with the same random parameters: bytes, order, error codes, ends of file and their order must be the same. Both address families; applications that are paired directly and through stand-in proxies. It repeats this until the duration is over; the first round, of every case once, is always finished, and fails where a case that should be accelerated was not. The exit code is 1 where anything differs.',
  arguments: {},
  options: {
    duration: { kind: 'text', value: 'TIME', default: '60s', summary: 'how long to go on: 500ms, 60s, 10m, 1h' },
    case: { kind: 'list', value: 'NAME', summary: 'only this case, or those whose names contain this; as often as wanted' },
    naive: { kind: 'flag', summary: 'redirect every message at once, as others do: the suite must fail' },
    facts: {
      kind: 'flag',
      summary:
        'no test: what applications would see that do what an accelerated socket cannot hide; why they only join where their owner says so',
    },
    accelerate: { kind: 'choice', choices: ['on', 'off', 'both'], default: 'both', summary: 'on or off: without comparing' },
    seed: { kind: 'number', value: 'N', minimum: 0, maximum: 2 ** 31, summary: 'repeats what a run with this seed did' },
    jobs: { kind: 'number', value: 'N', minimum: 1, maximum: 64, default: 4, summary: 'cases at once, after the first round' },
    output: { kind: 'choice', short: 'o', choices: ['table', 'json'], default: 'table', summary: 'the format of the answer' },
  },
  examples: ['millrace torture --duration 10m', 'millrace torture --case half-close --seed 7', 'millrace torture --naive --duration 1s'],
  run: async ({ options, stdout, stderr, signal }) => {
    const { requireRoot } = await import('./require-root.ts');
    requireRoot('torture connections');
    const [{ runTorture }, { failureText, idle, rowsOf, summaryText }, { parseSeconds }] = await Promise.all([
      import('../torture/run.ts'),
      import('../torture/report.ts'),
      import('../torture/duration.ts'),
    ]);
    const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
    let done = 0;
    const result = await runTorture({
      duration: parseSeconds(options.duration),
      cases: options.case,
      naive: options.naive,
      facts: options.facts,
      accelerate: options.accelerate,
      seed,
      jobs: options.jobs,
      signal,
      onTrial: (trial) => {
        done += 1;
        if (stderr.isTTY === true) stderr.write(`\r\u001b[K${done} trials: ${trial.name}`);
      },
    });
    if (stderr.isTTY === true) stderr.write('\r\u001b[K');
    const rows = rowsOf(result.trials);
    const failed = result.trials.filter(({ differences }) => differences.length > 0);
    const notAccelerated = idle(rows);
    if (options.output === 'json') {
      const { trials: _, ...rest } = result;
      stdout.write(
        `${toJson({ seed, ...rest, rows, failed, notAccelerated: notAccelerated.map(({ name, route }) => ({ name, route })) })}\n`,
      );
    } else {
      const table = formatTable(rows, [
        { title: 'CASE', value: ({ name }) => name },
        { title: 'ROUTE', value: ({ route }) => route },
        { title: 'RUNS', value: ({ runs }) => String(runs) },
        { title: 'FAILED', value: ({ failed: count }) => String(count) },
        { title: 'BY SOCKMAP', value: ({ bytes }) => (bytes === null ? '-' : String(bytes)) },
      ]);
      const problems = [
        ...failed.slice(0, toldFailures).map(failureText),
        ...(failed.length > toldFailures ? [`and ${failed.length - toldFailures} more`] : []),
        ...notAccelerated.map(({ name, route }) => `${name} (${route}) was to be accelerated, and no byte of it was`),
        ...result.grown,
      ];
      const again = problems.length === 0 ? [] : [`again: millrace torture${options.naive ? ' --naive' : ''} --seed ${seed}`];
      stdout.write(`${[table, ...problems, summaryText(result, failed.length), ...again].join('\n')}\n`);
    }
    if (options.facts) return exitCodes.done;
    return failed.length + notAccelerated.length + result.grown.length === 0 ? exitCodes.done : exitCodes.failed;
  },
});
