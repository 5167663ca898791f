import { filterError } from './error.ts';

const longestPattern = 256;
const longestSubject = 2048;

/**
 * Regular expressions from a client. They are run by this process, so one that could take exponential time is refused: a repetition of a group that
 * repeats something itself. What they are run on is cut at 2048 characters. @throws MillraceError FILTER_INVALID
 */
export function expressionMatcher(field: string, patterns: readonly string[]): (subject: string) => boolean {
  const expressions = patterns.map((pattern) => {
    if (pattern.length > longestPattern) throw filterError(field, `it is longer than ${longestPattern} characters`, pattern);
    if (repeatsRepetition(pattern)) throw filterError(field, 'it repeats a group that repeats something', pattern);
    try {
      return new RegExp(pattern, 'u');
    } catch (error) {
      throw filterError(field, `it is not a regular expression (${error instanceof Error ? error.message : String(error)})`, pattern);
    }
  });
  return (subject) => {
    const text = subject.length > longestSubject ? subject.slice(0, longestSubject) : subject;
    return expressions.some((expression) => expression.test(text));
  };
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
