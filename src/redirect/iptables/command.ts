import { execFile } from 'node:child_process';
import { exitCodes, MillraceError, UserError } from '../../base/errors.ts';

/** What a program said. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly signal?: AbortSignal;
}

/** A long conntrack table is some hundred bytes per entry. */
const maxOutput = 256 * 1024 * 1024;
/** Daemons often start without the directories of the network tools. */
const systemPath = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin';

/**
 * Runs a program without a shell and collects its output; a non-zero exit code is a result, not a failure.
 * @throws UserError MACHINE_MISSING_PROGRAM (exit code 3) when there is no such program; AbortError when the signal fires (the program is killed).
 */
export function runCommand(program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, LC_ALL: 'C', PATH: `${process.env.PATH ?? ''}:${systemPath}` };
    const child = execFile(
      program,
      [...args],
      { env, maxBuffer: maxOutput, encoding: 'utf8', ...(options.signal === undefined ? {} : { signal: options.signal }) },
      (error, stdout, stderr) => {
        if (error === null) return resolve({ exitCode: 0, stdout, stderr });
        if (typeof error.code === 'number') return resolve({ exitCode: error.code, stdout, stderr });
        reject(error.code === 'ENOENT' ? missingProgram(program) : error);
      },
    );
    // A program that exits before it has read its input is judged by its exit code, not by our broken pipe.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

/** The failure for a program that the machine does not have, with the package that brings it on Debian and its kin. */
export function missingProgram(program: string): UserError {
  const packageName = packages.get(program) ?? 'iptables';
  return new UserError('MACHINE_MISSING_PROGRAM', `Cannot work on the rules of a pod because a program is missing: ${program}`, {
    cure: `Install the package ${packageName}.`,
    command: `apt-get install ${packageName}`,
    exitCode: exitCodes.machine,
    data: { program },
  });
}

const packages: ReadonlyMap<string, string> = new Map([
  ['nsenter', 'util-linux'],
  ['ip', 'iproute2'],
  ['conntrack', 'conntrack'],
  ['nft', 'nftables'],
  ['getent', 'libc-bin'],
]);

/** True for the failure that `missingProgram` makes. */
export function isMissingProgram(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'MACHINE_MISSING_PROGRAM';
}
