import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { instancePaths } from '../api/paths.ts';
import type { ErrorCode } from '../base/codes.ts';
import type { ExitCode } from '../base/errors.ts';
import { exitCodes, MillraceError, UserError } from '../base/errors.ts';
import { launcherPath } from '../base/project.ts';
import type { LabOptions } from './api.ts';
import { lastLines } from './pods/log-file.ts';

/** What the daemon tells the process that started it, once. */
export type DaemonReport =
  | { readonly kind: 'listening' }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly cure: string;
      readonly command: string | null;
      readonly exitCode: ExitCode;
    };

/**
 * Starts the lab's daemon in a session of its own and resolves when its API answers.
 * @throws UserError what the daemon failed with; MillraceError when it died without a word (the end of its log is in the message)
 */
export async function startDaemon(options: LabOptions): Promise<void> {
  const paths = instancePaths(options.instance);
  mkdirSync(paths.run, { recursive: true, mode: 0o700 });
  const log = openSync(paths.labLog, 'a', 0o600);
  const child = spawn(process.execPath, [launcherPath(), 'lab', 'daemon', JSON.stringify(options)], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    cwd: '/',
  });
  closeSync(log);
  const report = await new Promise<DaemonReport>((resolve, reject) => {
    child.once('message', (message) => resolve(message as DaemonReport));
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const end = lastLines(paths.labLog, 10).join('\n');
      reject(
        new MillraceError('LAB_NOT_READY', `Cannot start the lab because its process ended with ${signal ?? `exit code ${code}`}: ${end}`),
      );
    });
  });
  if (child.connected) child.disconnect();
  child.unref();
  if (report.kind === 'listening') return;
  throw new UserError(report.code, report.message, {
    cure: report.cure,
    exitCode: report.exitCode,
    ...(report.command === null ? {} : { command: report.command }),
  });
}

/** Tells the process that started this daemon; nothing where there is none (any more). */
export function reportToStarter(report: DaemonReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(report, () => resolve());
  });
}

/** The report for a failed start. */
export function failureReport(error: unknown): DaemonReport {
  const user = error instanceof UserError ? error : null;
  return {
    kind: 'failed',
    code: error instanceof MillraceError ? error.code : 'LAB_NOT_READY',
    message: error instanceof Error ? error.message : String(error),
    cure: user?.cure ?? 'See the log of the lab.',
    command: user?.command ?? null,
    exitCode: user?.exitCode ?? exitCodes.failed,
  };
}
