import type { z } from 'zod';
import type { FieldPath, Issue, IssueList } from './issues.ts';
import { formatPath, show } from './issues.ts';
import { nearName } from './near-name.ts';
import type { YamlDocument } from './yaml-tree.ts';
import { isRecord } from './yaml-tree.ts';

/** A value inside a document that is about to be read. */
export interface Located {
  readonly document: YamlDocument;
  /** The value without its nulls; `path` leads to it from the document's root. */
  readonly value: unknown;
  readonly path: FieldPath;
  /** For messages: `Deployment sleep`. */
  readonly subject: string;
}

/** Reads a value by its schema. What is wrong goes to `issues` with its place, and the answer is null. */
export function decode<T>(schema: z.ZodType<T>, source: Located, issues: IssueList): T | null {
  const result = schema.safeParse(source.value);
  if (result.success) return result.data;
  for (const issue of inReadingOrder(result.error.issues)) for (const explained of explain(issue, source)) issues.add(explained);
  return null;
}

/** A misspelt field is also a missing one, and its spelling is what the user has to mend: it comes first. */
function inReadingOrder(issues: readonly z.core.$ZodIssue[]): readonly z.core.$ZodIssue[] {
  const unknown = issues.filter(({ code }) => code === 'unrecognized_keys');
  // Zod bounds every integer to the safe ones before our own bound says the same more narrowly.
  const others = issues.filter(
    (issue) => issue.code !== 'unrecognized_keys' && !(issue.code === 'too_big' && issue.maximum === Number.MAX_SAFE_INTEGER),
  );
  const ordered = [...unknown, ...others];
  return ordered.length > 0 ? ordered : issues;
}

/** Kubernetes takes a field without a value for one that is not there. Items of lists stay: a null there is a mistake. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRecord(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) if (item !== null) kept[key] = withoutNulls(item);
  return kept;
}

function explain(issue: z.core.$ZodIssue, source: Located): Issue[] {
  const local = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  const path = [...source.path, ...local];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownField(key, issue.message.split(','), local, source));
  const value = valueAt(source.value, local);
  const { problem, cure } = describe(issue, value);
  const name = formatPath(path) || 'the document';
  return [
    {
      code: 'MANIFEST_INVALID',
      subject: source.subject,
      problem: value === undefined && issue.code !== 'custom' ? `${name} is missing` : `${name} ${problem ?? issue.message}`,
      ...(value === undefined ? {} : { value }),
      cure: value === undefined && issue.code !== 'custom' ? cure.replace(/^Write /, 'Add it: ') : cure,
      position: source.document.positionOf(path),
    },
  ];
}

function unknownField(key: string, known: readonly string[], parent: FieldPath, source: Located): Issue {
  const path = [...source.path, ...parent, key];
  const near = nearName(key, known);
  return {
    code: 'MANIFEST_INVALID',
    subject: source.subject,
    problem: `the field ${formatPath(path)} is not known`,
    value: valueAt(source.value, [...parent, key]),
    cure: near === null ? `Remove it, or move it to where it belongs; known here: ${known.join(', ')}.` : `Did you mean ${near}?`,
    position: source.document.positionOfKey(path),
  };
}

const nouns: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

/** `problem` completes "FIELD …"; null: zod's own message is all there is. */
function describe(issue: z.core.$ZodIssue, value: unknown): { problem: string | null; cure: string } {
  switch (issue.code) {
    case 'invalid_type': {
      const noun = nouns[issue.expected] ?? `of type ${issue.expected}`;
      const quote = issue.expected === 'string' && (typeof value === 'number' || typeof value === 'boolean');
      return { problem: `must be ${noun}`, cure: quote ? `Put it in quotes: "${String(value)}".` : `Write ${noun}.` };
    }
    case 'too_small':
      return {
        problem: issue.origin === 'array' ? 'must not be empty' : `must be at least ${issue.minimum}`,
        cure: `Give at least ${issue.minimum}.`,
      };
    case 'too_big':
      return { problem: `must be at most ${issue.maximum}`, cure: `Give at most ${issue.maximum}.` };
    case 'invalid_value': {
      const allowed = issue.values.map(String);
      const near = typeof value === 'string' ? nearName(value, allowed) : null;
      return {
        problem: `must be one of ${allowed.join(', ')}`,
        cure: near === null ? `Write one of ${allowed.join(', ')}.` : `Did you mean ${near}?`,
      };
    }
    case 'custom': {
      const cure: unknown = issue.params?.cure;
      return { problem: issue.message, cure: typeof cure === 'string' ? cure : 'Correct the value.' };
    }
    default:
      return { problem: null, cure: `Correct the value ${show(value)}.` };
  }
}

function valueAt(root: unknown, path: FieldPath): unknown {
  let value = root;
  for (const step of path) {
    if (Array.isArray(value) && typeof step === 'number') value = value[step];
    else if (isRecord(value) && Object.hasOwn(value, step)) value = value[step];
    else return undefined;
  }
  return value;
}
