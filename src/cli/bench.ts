import { dirname } from 'node:path';
import { exitCodes, UserError } from '../base/errors.ts';
import type { BenchOptions } from '../bench/options.ts';
import type { BenchReport } from '../bench/types.ts';
import type { CommandEnvironment } from './command.ts';
import { defineCommand } from './command.ts';

/** `millrace bench`: redirection, acceleration and policy compared with iptables and with no mesh at all. */
export const bench = defineCommand({
  description:
    'Two pods of one node, the real Envoy with one worker beside each, every configuration a pair of its own. Configurations take turns in every round; what is printed are medians, and ratios within a round with their spread. Every number of connections is measured with keep-alive; around the middle one come the other things asked for: bodies, mutual TLS, new connections, a fixed rate. The exit code is 1 where requests failed.',
  arguments: {},
  options: {
    configs: {
      kind: 'text',
      value: 'NAMES',
      default: 'none,iptables,ebpf,ebpf+accelerate,direct+accelerate',
      summary: 'what to compare: none, iptables, ebpf, proxies+accelerate, ebpf+accelerate, direct+accelerate, policy',
    },
    'policy-rules': { kind: 'text', value: 'N,N', default: '10,1000,10000', summary: 'rules of the configurations named policy' },
    connections: { kind: 'text', value: 'N,N', default: '1,16,64', summary: 'connections at once' },
    body: { kind: 'text', value: 'SIZE,SIZE', default: '0', summary: 'bytes of an answer, such as 0 or 64k' },
    duration: { kind: 'text', value: 'TIME', default: '3s', summary: 'of every run, such as 3s or 300ms' },
    warmup: { kind: 'text', value: 'TIME', default: '1s', summary: 'of every configuration before its first run; 0s: none' },
    rounds: { kind: 'number', value: 'N', minimum: 1, maximum: 100, default: 5, summary: 'how often each configuration is measured' },
    mtls: { kind: 'choice', choices: ['off', 'on', 'both'], default: 'off', summary: 'mutual TLS between the sidecars' },
    layout: { kind: 'choice', choices: ['one', 'spread', 'both'], default: 'one', summary: 'everything on one CPU, or spread over all' },
    'new-connections': { kind: 'flag', summary: 'also with a new connection for every request' },
    rate: { kind: 'number', value: 'N', minimum: 1, maximum: 1_000_000, summary: 'also at this many requests a second, evenly spaced' },
    stream: { kind: 'flag', summary: 'also streams, by the size of their writes' },
    load: { kind: 'choice', choices: ['fortio', 'wrk'], default: 'fortio', summary: 'who makes the load' },
    proxy: { kind: 'choice', choices: ['envoy', 'haproxy'], default: 'envoy', summary: 'what runs in the sidecars' },
    output: {
      kind: 'choice',
      short: 'o',
      choices: ['table', 'json', 'html', 'markdown'],
      default: 'table',
      summary: 'the format of the answer',
    },
    save: { kind: 'text', value: 'FILE', summary: 'write the answer here; markdown replaces its own section of a document' },
    from: { kind: 'text', value: 'FILE', summary: 'measure nothing, print a report that -o json has saved' },
  },
  examples: [
    'millrace bench --rounds 5',
    'millrace bench --configs iptables,ebpf+accelerate --connections 16 --mtls both',
    'millrace bench -o json --save run.json && millrace bench --from run.json -o html --save run.html',
  ],
  run: async ({ options, signal, stdout, stderr, env }) => {
    const { checkOptions, readWords } = await import('../bench/options.ts');
    const { mtls, layout, load, proxy } = options;
    const bench: BenchOptions = {
      ...readWords({
        configs: options.configs,
        policyRules: options['policy-rules'],
        connections: options.connections,
        body: options.body,
        duration: options.duration,
        warmup: options.warmup,
        mtls,
        layout,
      }),
      rounds: options.rounds,
      newConnections: options['new-connections'],
      rate: options.rate,
      stream: options.stream,
      load,
      proxy,
    };
    checkOptions(bench);
    if (options.save !== null) await checkWritable(options.save);
    const report = options.from === null ? await measure(bench, { signal, stderr, env }) : await readSaved(options.from);
    const answer = await render(report, options.output);
    if (options.save === null) stdout.write(answer);
    else await save(options.save, answer, options.output);
    return report.scenarios.some(({ samples }) => samples.some(({ failed }) => failed > 0)) ? exitCodes.failed : exitCodes.done;
  },
});

async function measure(
  options: BenchOptions,
  { signal, stderr, env }: Pick<CommandEnvironment, 'signal' | 'stderr' | 'env'>,
): Promise<BenchReport> {
  const { requireRoot } = await import('./require-root.ts');
  requireRoot('run the benchmark');
  const [{ runBench }, { estimatedSeconds }, { envoyPath }, { checkTools }] = await Promise.all([
    import('../bench/run.ts'),
    import('../bench/plan.ts'),
    import('../base/project.ts'),
    import('../lab/node/machine-check.ts'),
  ]);
  checkTools();
  const terminal = stderr.isTTY === true;
  stderr.write(`measuring for about ${Math.ceil(estimatedSeconds(options) / 6) / 10} minutes\n`);
  const command = ['millrace', ...process.argv.slice(2)].join(' ');
  const onStep = (text: string) => stderr.write(terminal ? `\r\u001b[K${text}` : `${text}\n`);
  const report = await runBench({ options, command, envoy: envoyPath(env), signal, onStep });
  if (terminal) stderr.write('\r\u001b[K');
  return report;
}

async function readSaved(path: string): Promise<BenchReport> {
  return (await import('../bench/read-report.ts')).readReport(path);
}

async function render(report: BenchReport, format: 'table' | 'json' | 'html' | 'markdown'): Promise<string> {
  const { summarize } = await import('../bench/summary.ts');
  const summary = summarize(report);
  switch (format) {
    case 'json':
      return `${(await import('./print.ts')).toJson({ summary, report })}\n`;
    case 'html':
      return (await import('../bench/html.ts')).htmlReport(report, summary);
    case 'markdown':
      return (await import('../bench/markdown.ts')).markdownReport(report, summary);
    case 'table':
      return (await import('./bench-table.ts')).benchTable(report, summary);
  }
}

async function save(path: string, answer: string, format: string): Promise<void> {
  const [{ readFileSync, writeFileSync, existsSync }, { withSection }] = await Promise.all([
    import('node:fs'),
    import('../bench/markdown.ts'),
  ]);
  try {
    const document = format === 'markdown' && existsSync(path) ? readFileSync(path, 'utf8') : '';
    writeFileSync(path, format === 'markdown' ? withSection(document, answer) : answer);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** Before minutes are spent on an answer that nobody gets. @throws UserError FILE_UNWRITABLE */
async function checkWritable(path: string): Promise<void> {
  const { access, constants } = await import('node:fs/promises');
  try {
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    await access(isThere ? path : dirname(path), constants.W_OK);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

function unwritable(path: string, cause: unknown): UserError {
  return new UserError('FILE_UNWRITABLE', `Cannot save the answer because the file cannot be written: ${path}`, {
    cure: 'Name a file in a folder that exists and that you may write.',
    cause,
  });
}
