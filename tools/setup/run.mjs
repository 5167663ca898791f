// @ts-check
import { spawn } from 'node:child_process';

/** How much of a program's output is kept for an error message, in characters, from its start and from its end: the cause may stand in either. */
const keptOutput = 1500;

/**
 * Runs a program to its end, quietly; what it prints is kept for the case that it fails.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, signal: AbortSignal }} options
 * @returns {Promise<{ status: number, output: string }>} status 127 where there is no such program
 */
export function run(program, args, { cwd, env, signal }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let start = '';
    let end = '';
    const keep = (/** @type {Buffer} */ bytes) => {
      const text = bytes.toString();
      const room = keptOutput - start.length;
      start += text.slice(0, room);
      end = (end + text.slice(room)).slice(-keptOutput);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      if (error.code === 'ENOENT') resolve({ status: 127, output: `${program} is not installed` });
      else reject(error);
    });
    child.on('close', (status) => resolve({ status: status ?? 1, output: start + end }));
  });
}

const unreachable =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|network timeout|NewConnectionError|ConnectTimeoutError|Connection refused|Temporary failure|Could not resolve|Max retries exceeded|Failed to establish|Unable to connect|Could not connect/;

/** Whether a package manager's words say that it could not reach its registry. @param {string} output */
export function saysUnreachable(output) {
  return unreachable.test(output);
}
