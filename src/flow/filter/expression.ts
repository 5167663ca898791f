import { createContext, Script } from 'node:vm';
import { filterError } from './error.ts';

const longestPattern = 256;
const longestSubject = 2048;
const mostPatterns = 32;
/** For one text. The slowest that are run without a clock, with one repetition, take half of it. */
const longestMs = 20;

/**
 * Regular expressions from a client. They are run by this process, so one that could take exponential time is refused: a repetition of a group that
 * repeats something itself. What repeats in two places can still take hours (`.*.*.*.*=`) and is run against the clock, 0.3 ms for each text. What they
 * are run on is cut at 2048 characters. @throws MillraceError FILTER_INVALID, also when it is run
 */
export function expressionMatcher(field: string, patterns: readonly string[]): (subject: string) => boolean {
  if (patterns.length > mostPatterns) throw filterError(field, `there are more than ${mostPatterns} expressions`, String(patterns.length));
  const expressions = patterns.map((pattern) => {
    if (pattern.length > longestPattern) throw filterError(field, `it is longer than ${longestPattern} characters`, pattern);
    if (repeatsRepetition(pattern)) throw filterError(field, 'it repeats a group that repeats something', pattern);
    try {
      const expression = new RegExp(pattern, 'u');
      return repetitions(pattern) < 2 ? (text: string) => expression.test(text) : clocked(expression, field);
    } catch (error) {
      throw filterError(field, `it is not a regular expression (${error instanceof Error ? error.message : String(error)})`, pattern);
    }
  });
  return (subject) => {
    const text = subject.length > longestSubject ? subject.slice(0, longestSubject) : subject;
    return expressions.some((matches) => matches(text));
  };
}

/** Only a script in a context of its own can be ended while an expression runs. All share one, half a megabyte. */
const clock: { bench: { readonly context: { expression: RegExp; text: string }; readonly script: Script } | null } = { bench: null };

function benchOf(expression: RegExp): NonNullable<typeof clock.bench> {
  const context = { expression, text: '' };
  createContext(context);
  return { context, script: new Script('expression.test(text)') };
}

function clocked(expression: RegExp, field: string): (text: string) => boolean {
  clock.bench ??= benchOf(expression);
  const { context, script } = clock.bench;
  return (text) => {
    context.expression = expression;
    context.text = text;
    try {
      return script.runInContext(context, { timeout: longestMs }) === true;
    } catch {
      throw filterError(field, `it takes longer than ${longestMs} ms on one text`, expression.source);
    }
  };
}

/** How many parts of a pattern can match more or less of a text. */
function repetitions(pattern: string): number {
  const parts = pattern.replace(/\\[^1-9k]/g, 'x').replace(/\[[^\]]*\]/g, 'x');
  return parts.match(/[*+{]|(?<!\()\?|\\/g)?.length ?? 0;
}

/** Whether a group that holds a repetition or an alternative is itself repeated without bound. */
function repeatsRepetition(pattern: string): boolean {
  /** For each group that is open: whether something in it is repeated or chosen. */
  const open: boolean[] = [];
  let closed = false;
  let inClass = false;
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index];
    const afterGroup = closed;
    closed = false;
    if (character === '\\') {
      index += 1;
    } else if (inClass) {
      inClass = character !== ']';
    } else if (character === '[') {
      inClass = true;
    } else if (character === '(') {
      open.push(false);
    } else if (character === ')') {
      closed = open.pop() ?? false;
      if (closed) mark(open);
    } else if (character === '*' || character === '+' || (character === '{' && /^\{\d*,?\d*\}/.test(pattern.slice(index)))) {
      if (afterGroup) return true;
      mark(open);
    } else if (character === '|') {
      mark(open);
    }
  }
  return false;
}

function mark(open: boolean[]): void {
  if (open.length > 0) open[open.length - 1] = true;
}
