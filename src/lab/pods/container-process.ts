import { spawn } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { toolEnvironment } from '../node/tools.ts';
import type { ContainerScript } from './container-script.ts';
import { containerScript } from './container-script.ts';

export interface ProcessExit {
  /** 128 + signal number when a signal ended it, as a shell says it. */
  readonly exitCode: number;
  readonly signal: NodeJS.Signals | null;
}

export interface ContainerProcess {
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
}

const signalBase = 128;
const killSignal = 9;

/**
 * Starts a container's process with its output appended to a log. The log travels by descriptor: no byte of it passes this process.
 * @throws Error when no process can be made
 */
export function startContainerProcess(script: ContainerScript, logFile: string): ContainerProcess {
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600);
  try {
    const child = spawn('/bin/sh', ['-c', containerScript(script)], { stdio: ['ignore', log, log], env: toolEnvironment, cwd: '/' });
    if (child.pid === undefined) throw new Error(`no process for ${script.argv.join(' ')}`);
    const exited = new Promise<ProcessExit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ exitCode: code ?? signalBase + signalNumber(signal), signal }));
    });
    return { pid: child.pid, exited };
  } finally {
    closeSync(log);
  }
}

const signalNumbers: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: killSignal,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : (signalNumbers[signal] ?? 0);
}
