import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { MillraceError } from '../../base/errors.ts';
import type { HolderScript } from './holder-script.ts';
import { holderReady, holderScript } from './holder-script.ts';
import { toolEnvironment } from './tools.ts';

/** A running process that holds namespaces. */
export interface Holder {
  readonly pid: number;
  /** /proc/PID/ns/net */
  readonly netns: string;
  /** Ends the process, and with it the namespaces once nothing else is in them. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts a holder and waits until its namespaces are set up.
 * @throws MillraceError LAB_COMMAND_FAILED with what the failing command printed
 */
export async function startHolder(options: HolderScript, signal: AbortSignal): Promise<Holder> {
  signal.throwIfAborted();
  const child = spawn('/bin/sh', ['-c', holderScript(options)], { stdio: ['ignore', 'pipe', 'pipe'], env: toolEnvironment, cwd: '/' });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const close = async () => {
    child.kill('SIGKILL');
    if (child.pid !== undefined) await exited;
  };
  try {
    await untilReady(child, options.hostname, signal);
  } catch (error) {
    await close();
    throw error;
  }
  child.stdout?.destroy();
  child.stderr?.destroy();
  const pid = child.pid ?? 0;
  return { pid, netns: `/proc/${pid}/ns/net`, close };
}

async function untilReady(child: ChildProcess, hostname: string, signal: AbortSignal): Promise<void> {
  let output = '';
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  await new Promise<void>((resolve, reject) => {
    const fail = (reason: string) =>
      reject(
        new MillraceError('LAB_COMMAND_FAILED', `Cannot set up the namespaces of ${hostname} because a command failed: ${reason}`, {
          data: { hostname },
        }),
      );
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (!output.includes(`${holderReady}\n`)) return;
      signal.removeEventListener('abort', abort);
      resolve();
    });
    child.once('error', (error) => fail(error.message));
    child.once('close', (code) => fail(errors.trim() === '' ? `exit code ${code}` : errors.trim()));
  });
}
