import type { ErrorCode } from '../base/codes.ts';
import type { SourcePosition } from '../base/errors.ts';
import { UserError } from '../base/errors.ts';

/** A step into a manifest: a field's name or an index. */
export type FieldPath = readonly (string | number)[];

/** One thing wrong with a file. */
export interface Issue {
  readonly code: ErrorCode;
  /** What is being read: `Deployment demo/sleep`, `document 3`. */
  readonly subject: string;
  /** Completes "because …"; names the field. */
  readonly problem: string;
  /** What stands there; absent where nothing does. */
  readonly value?: unknown;
  readonly cure: string;
  readonly position: SourcePosition;
}

/** Collects what is wrong, so that a user sees how much there is to mend. More than 1,000 are only counted. */
export class IssueList {
  readonly #issues: Issue[] = [];
  #count = 0;

  add(issue: Issue): void {
    this.#count += 1;
    if (this.#issues.length < 1000) this.#issues.push(issue);
  }

  get count(): number {
    return this.#count;
  }

  /** Throws a UserError for the first issue, if there is one: its message counts the others and `data.problems` lists up to 100 of them. */
  throwIfAny(): void {
    const [first] = this.#issues;
    if (first === undefined) return;
    const more = this.#count - 1;
    const suffix = more === 0 ? '' : ` (and ${more} more ${more === 1 ? 'problem' : 'problems'} in this file)`;
    throw new UserError(first.code, `${sentence(first)}${suffix}`, {
      cure: first.cure,
      where: first.position,
      data: {
        count: this.#count,
        problems: this.#issues
          .slice(0, 100)
          .map((issue) => ({ code: issue.code, message: sentence(issue), cure: issue.cure, ...issue.position })),
      },
    });
  }
}

function sentence(issue: Issue): string {
  const value = issue.value === undefined ? '' : `: current value ${show(issue.value)}`;
  return `Cannot read ${issue.subject} because ${issue.problem}${value}`;
}

/**
 * A value of a user's file, safe to print on a terminal: as JSON, at most 80 characters, nothing that moves the cursor or turns the direction of text.
 */
export function show(value: unknown): string {
  const json = JSON.stringify(value, shorten) ?? String(value);
  const short = json.length > 80 ? `${json.slice(0, 77)}...` : json;
  return short.replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function shorten(_key: string, value: unknown): unknown {
  if (typeof value === 'string' && value.length > 100) return value.slice(0, 100);
  return Array.isArray(value) && value.length > 20 ? value.slice(0, 20) : value;
}

/** A path as kubectl prints it: `spec.ports[0].name`, `metadata.labels["a/b"]`; '' for the whole document. */
export function formatPath(path: FieldPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${show(step)}]`;
  }
  return text;
}
