import { exitCodes, UserError } from '../base/errors.ts';
import type { Configuration, ConfigurationKind, Layout, MutualTls } from './types.ts';
import { configurationKinds } from './types.ts';

/** What a benchmark is to measure. */
export interface BenchOptions {
  readonly configurations: readonly Configuration[];
  readonly connections: readonly number[];
  /** Bytes of an answer. */
  readonly bodies: readonly number[];
  readonly mtls: readonly MutualTls[];
  readonly layouts: readonly Layout[];
  /** Seconds. */
  readonly duration: number;
  readonly warmup: number;
  readonly rounds: number;
  readonly newConnections: boolean;
  /** Requests a second of the run at a fixed rate; null: no such run. */
  readonly rate: number | null;
  readonly stream: boolean;
  readonly load: 'fortio' | 'wrk';
  /** What runs in the sidecars. */
  readonly proxy: 'envoy' | 'haproxy';
}

/** The words of the command line that name lists, times and sizes. */
export interface BenchWords {
  readonly configs: string;
  readonly policyRules: string;
  readonly connections: string;
  readonly body: string;
  readonly duration: string;
  readonly warmup: string;
  readonly mtls: 'off' | 'on' | 'both';
  readonly layout: 'one' | 'spread' | 'both';
}

const largestBody = 1 << 20;
const mostConnections = 1000;
const mostRules = 100_000;
const longestSeconds = 60;

/** Reads the words. @throws UserError USAGE, with what is allowed */
export function readWords(
  words: BenchWords,
): Pick<BenchOptions, 'configurations' | 'connections' | 'bodies' | 'duration' | 'warmup' | 'mtls' | 'layouts'> {
  return {
    configurations: readConfigurations(words.configs, words.policyRules),
    connections: readNumbers('connections', words.connections, readCount, 1, mostConnections),
    bodies: readNumbers('body', words.body, readSize, 0, largestBody),
    duration: readSeconds('duration', words.duration, 0.1),
    warmup: readSeconds('warmup', words.warmup, 0),
    mtls: words.mtls === 'both' ? ['off', 'on'] : [words.mtls],
    layouts: words.layout === 'both' ? ['one CPU', 'spread'] : [words.layout === 'one' ? 'one CPU' : 'spread'],
  };
}

/** Refuses what does not go together. @throws UserError USAGE */
export function checkOptions(options: BenchOptions): void {
  if (options.load === 'wrk' && options.rate !== null)
    throw usage('rate', `${options.rate}`, 'wrk knows no fixed rate', 'Leave one of --rate and --load wrk out.');
  if (options.proxy === 'haproxy' && options.mtls.includes('on'))
    throw usage('mtls', 'on', 'HAProxy has no certificates of the lab', 'Leave one of --mtls and --proxy haproxy out.');
  if (options.proxy === 'haproxy' && options.stream)
    throw usage('proxy', 'haproxy', 'as it is set up it takes HTTP only', 'Leave one of --stream and --proxy haproxy out.');
  if (options.load === 'wrk' && !Number.isInteger(options.duration))
    throw usage('duration', `${options.duration}s`, 'wrk knows whole seconds only', 'Give whole seconds, or use fortio.');
}

function readConfigurations(text: string, rulesText: string): readonly Configuration[] {
  const kinds = items(text).map((item): ConfigurationKind => {
    const kind = configurationKinds.find((known) => known === item);
    if (kind !== undefined) return kind;
    throw usage(
      'configs',
      text,
      `${JSON.stringify(item)} is none`,
      `Give some of ${configurationKinds.join(', ')}, with commas between them.`,
    );
  });
  if (kinds.length === 0) throw usage('configs', text, 'it names none', `Give some of ${configurationKinds.join(', ')}.`);
  const rules = readNumbers('policy-rules', rulesText, readCount, 1, mostRules);
  return [...new Set(kinds)].flatMap((kind): readonly Configuration[] =>
    kind === 'policy' ? rules.map((count) => ({ name: `policy ${count}`, kind, rules: count })) : [{ name: kind, kind, rules: null }],
  );
}

function readNumbers(option: string, text: string, read: (item: string) => number, least: number, most: number): readonly number[] {
  const numbers = items(text).map((item) => {
    const value = read(item);
    if (value >= least && value <= most) return value;
    throw usage(
      option,
      text,
      `${JSON.stringify(item)} is not from ${least} to ${most}`,
      `Give numbers from ${least} to ${most}, with commas between them.`,
    );
  });
  if (numbers.length === 0) throw usage(option, text, 'it names none', 'Give at least one.');
  return [...new Set(numbers)];
}

function readCount(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}

/** `64k` is 65,536. */
function readSize(text: string): number {
  const match = /^(\d{1,9})([kKmM]?)$/.exec(text);
  if (match === null) return Number.NaN;
  return Number(match[1]) * { '': 1, k: 1 << 10, m: 1 << 20 }[(match[2] ?? '').toLowerCase() as '' | 'k' | 'm'];
}

function readSeconds(option: string, text: string, least: number): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text);
  const seconds = match === null ? Number.NaN : Number(match[1]) / (match[2] === 'ms' ? 1000 : 1);
  if (seconds >= least && seconds <= longestSeconds) return seconds;
  throw usage(option, text, `it is no time from ${least} to ${longestSeconds} seconds`, 'Give a time such as 3s or 300ms.');
}

function items(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function usage(option: string, text: string, reason: string, cure: string): UserError {
  return new UserError('USAGE', `Cannot run the benchmark because of --${option}, ${reason}: current value ${JSON.stringify(text)}`, {
    cure,
    exitCode: exitCodes.usage,
  });
}
