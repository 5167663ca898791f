import { exitCodes, MillraceError, UserError } from '../base/errors.ts';
import type { Output } from './command.ts';
import { toJson } from './print.ts';

/**
 * The one place where a failure becomes words. A UserError shows what, where, how to solve it and the command, without a stack; anything else is a
 * bug and shows its stack and causes. With `json` it is one JSON object on the same stream.
 * @returns the exit code that belongs to the failure
 */
export function printError(error: unknown, options: { readonly output: Output; readonly json: boolean }): number {
  const code = error instanceof UserError ? error.exitCode : exitCodes.failed;
  const text = options.json ? toJson(errorRecord(error, code)) : error instanceof UserError ? userText(error) : bugText(error);
  options.output.write(`${text}\n`);
  return code;
}

function userText(error: UserError): string {
  const lines = [`error: ${error.message}`];
  if (error.where !== null) lines.push(`  where    ${error.where.file}:${error.where.line}:${error.where.column}`);
  lines.push(`  solve    ${error.cure}`);
  if (error.command !== null) lines.push(`  run      ${error.command}`);
  lines.push(`  code     ${error.code} (docs/errors.md)`);
  return lines.join('\n');
}

function bugText(error: unknown): string {
  const lines = [`error: ${messageOf(error)}`];
  for (const cause of chainOf(error)) lines.push(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause));
  if (error instanceof MillraceError && Object.keys(error.data).length > 0) lines.push(`data: ${toJson(error.data)}`);
  lines.push('This is a bug in millrace. Please report it with the text above and the output of `millrace doctor -o json`.');
  return lines.join('\n');
}

function errorRecord(error: unknown, exitCode: number): unknown {
  const user = error instanceof UserError ? error : null;
  return {
    error: {
      code: error instanceof MillraceError ? error.code : 'BUG',
      message: messageOf(error),
      where: user?.where ?? null,
      cure: user?.cure ?? null,
      command: user?.command ?? null,
      exitCode,
      data: error instanceof MillraceError ? error.data : {},
      stack: user === null && error instanceof Error ? (error.stack ?? null) : null,
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error and its causes, outermost first; ten at most, in case one names itself. */
function chainOf(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let at = error; at !== undefined && chain.length < 10; at = at instanceof Error ? at.cause : undefined) chain.push(at);
  return chain;
}
