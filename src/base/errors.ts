import type { ErrorCode } from './codes.ts';

/** Exit codes of every command: 0 done, 1 failed, 2 wrong usage, 3 the machine cannot (kernel, rights, missing program). */
export const exitCodes = { done: 0, failed: 1, usage: 2, machine: 3 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Base of everything Millrace throws on purpose. `code` is stable and documented in docs/errors.md; `data` holds the values behind the message. */
export class MillraceError extends Error {
  override readonly name: string = 'MillraceError';
  readonly code: ErrorCode;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; data?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.data = options.data ?? {};
  }
}

/** A place in a user's file; line and column count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface UserErrorOptions {
  /** How to solve it: one sentence. */
  readonly cure: string;
  /** A command that solves it or shows more, where there is one. */
  readonly command?: string;
  readonly where?: SourcePosition;
  /** 1 unless told; 2 for usage, 3 for a machine that cannot. */
  readonly exitCode?: ExitCode;
  readonly cause?: unknown;
  readonly data?: Record<string, unknown>;
}

/**
 * A failure that the user can mend. The message has the shape "Cannot X because Y: current value Z"; the printer adds place, cure and
 * command and shows no stack. Everything that is not a UserError is a bug and is printed with its stack.
 */
export class UserError extends MillraceError {
  override readonly name = 'UserError';
  readonly cure: string;
  readonly command: string | null;
  readonly where: SourcePosition | null;
  readonly exitCode: ExitCode;

  constructor(code: ErrorCode, message: string, options: UserErrorOptions) {
    super(code, message, options);
    this.cure = options.cure;
    this.command = options.command ?? null;
    this.where = options.where ?? null;
    this.exitCode = options.exitCode ?? exitCodes.failed;
  }
}

/** Marks a branch that the type system has proven unreachable. */
export function assertNever(value: never, context: string): never {
  throw new Error(`unreachable ${context}: ${JSON.stringify(value)}`);
}
