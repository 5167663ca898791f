import { exitCodes, UserError } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { formatTable, toJson } from './print.ts';

const modesOf = {
  iptables: ['iptables'],
  sk_lookup: ['sk_lookup'],
  bind: ['bind'],
  ebpf: ['sk_lookup', 'bind'],
  both: ['iptables', 'sk_lookup'],
  all: ['iptables', 'sk_lookup', 'bind'],
} as const;

/** `millrace conformance`: the redirection contract, row by row, with real packets. */
export const conformance = defineCommand({
  description:
    'Makes pods of its own, redirects them by each way, sends the flows of the contract through and says of every row what was expected and what was seen. Needs no proxy: a stand-in listens in its place. A deviation is a difference on purpose, explained in docs/conformance.md; it must be just as described there. The exit code is 1 where a row fails.',
  arguments: {},
  options: {
    mode: {
      kind: 'choice',
      choices: ['iptables', 'sk_lookup', 'bind', 'ebpf', 'both', 'all'],
      default: 'all',
      summary: 'who redirects; ebpf: sk_lookup and bind; both: iptables and sk_lookup',
    },
    accelerate: {
      kind: 'choice',
      choices: ['on', 'off'],
      default: 'off',
      summary: 'let sockets join the acceleration meanwhile: no row may change',
    },
    filter: { kind: 'text', value: 'TEXT', summary: 'only rows whose id, configuration or flow contains this' },
    output: {
      kind: 'choice',
      short: 'o',
      choices: ['table', 'json', 'markdown'],
      default: 'table',
      summary: 'the format of the answer; markdown runs nothing and prints docs/conformance.md',
    },
  },
  examples: ['millrace conformance --mode both --filter DNS', "millrace conformance -o json | jq '.summary'"],
  run: async ({ options, stdout, stderr, signal }) => {
    if (options.output === 'markdown') {
      stdout.write((await import('../conformance/markdown.ts')).conformanceDocument());
      return exitCodes.done;
    }
    const { requireRoot } = await import('./require-root.ts');
    requireRoot('run the conformance table');
    const [{ runConformance }, { allRows }, { flowText }, { summaryOf }, report] = await Promise.all([
      import('../conformance/run.ts'),
      import('../conformance/rows/all.ts'),
      import('../conformance/flow-text.ts'),
      import('../conformance/judge.ts'),
      import('../conformance/report.ts'),
    ]);
    const wanted = options.filter?.toLowerCase() ?? '';
    const rows = allRows.filter(({ id, world, flow }) => `${id} ${world.name} ${flowText(flow)}`.toLowerCase().includes(wanted));
    if (rows.length === 0) {
      throw new UserError('USAGE', `Cannot run the conformance table because no row matches --filter: ${options.filter}`, {
        cure: 'Give a part of an id, such as OUT-05, or of a flow.',
        exitCode: exitCodes.usage,
      });
    }
    const modes = modesOf[options.mode];
    const started = performance.now();
    let done = 0;
    const results = await runConformance({
      modes,
      rows,
      accelerate: options.accelerate === 'on',
      signal,
      onResult: ({ id, mode }) => {
        done += 1;
        if (stderr.isTTY === true) stderr.write(`\r\u001b[K${done} of ${rows.length * modes.length}: ${mode} ${id}`);
      },
    });
    if (stderr.isTTY === true) stderr.write('\r\u001b[K');
    const seconds = (performance.now() - started) / 1000;
    const summary = summaryOf(results);
    if (options.output === 'json') {
      stdout.write(`${toJson({ summary, seconds: Number(seconds.toFixed(1)), rows: results })}\n`);
    } else {
      const table = formatTable(results, [
        { title: 'ID', value: ({ id }) => id },
        { title: 'MODE', value: ({ mode }) => mode },
        { title: 'RESULT', value: ({ verdict }) => verdict },
        { title: 'FLOW', value: ({ flow, world }) => (world === 'default' ? flow : `${flow} [${world}]`) },
        { title: 'EXPECTED', value: ({ expected }) => report.fieldsText(expected) },
        { title: 'SEEN', value: ({ seen }) => report.fieldsText(seen) },
      ]);
      stdout.write(`${table}\n${report.summaryText(summary, seconds)}\n`);
    }
    return summary.fail === 0 ? exitCodes.done : exitCodes.failed;
  },
});
