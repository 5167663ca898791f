// @ts-check
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MachineProblem, StepFailure } from './problem.mjs';
import { run, saysUnreachable } from './run.mjs';

/**
 * The part of a lock file that says what is installed where.
 * @typedef {Record<string, { version?: string, optional?: boolean, devOptional?: boolean }>} LockedPackages
 */

/**
 * Whether node_modules holds what the lock asks for: npm writes its own list as the last thing it does, so a broken install has none. Pure.
 * @param {LockedPackages} wanted of package-lock.json
 * @param {LockedPackages | null} installed of node_modules/.package-lock.json
 */
export function holdsAll(wanted, installed) {
  if (installed === null) return false;
  const complete = Object.entries(wanted).every(([path, entry]) => {
    // Binaries for other processors are optional and stay away; the project itself has the empty path.
    if (path === '' || (entry.optional === true && installed[path] === undefined)) return true;
    return installed[path]?.version === entry.version;
  });
  return complete && Object.keys(installed).every((path) => wanted[path] !== undefined);
}

/** @param {string} root */
export function nodePackagesReady(root) {
  return holdsAll(lockedIn(join(root, 'package-lock.json')) ?? {}, lockedIn(join(root, 'node_modules/.package-lock.json')));
}

/**
 * @param {string} path
 * @returns {LockedPackages | null}
 */
function lockedIn(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    // No such file, or half of one: not installed.
    return null;
  }
}

/** Few and short, so that a machine without network learns it in seconds. */
const retries = ['--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=4000'];

/**
 * Installs the packages of package-lock.json from the registry that the machine is configured for.
 * @param {{ root: string, signal: AbortSignal }} options
 */
export async function installNodePackages({ root, signal }) {
  const { status, output } = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...retries], { cwd: root, signal });
  if (status === 0) return;
  if (status === 127) {
    throw new MachineProblem(
      'MACHINE_MISSING_PROGRAM',
      'Cannot install Node packages because npm is missing: it is not on the search path',
      {
        cure: 'Install npm; it comes with Node.',
      },
    );
  }
  if (saysUnreachable(output)) {
    throw new MachineProblem(
      'MACHINE_NO_REGISTRY',
      'Cannot install Node packages because the npm registry cannot be reached: npm ci gave up',
      {
        cure: 'Give the machine network, or set a registry that it can reach.',
        command: 'npm ping',
      },
    );
  }
  throw new StepFailure(`Cannot install Node packages because npm ci failed with exit code ${status}`, output);
}
