import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodes, UserError } from '../base/errors.ts';
import { installFortio } from '../lab/images/fortio-install.ts';
import { findExecutable, machinePrograms } from '../lab/machine.ts';
import { parseManifests } from '../manifests/parse.ts';
import type { LoadRequest } from './fortio.ts';
import { fortioArguments, parseFortio } from './fortio.ts';
import type { LoadResult } from './types.ts';
import { parseWrk, wrkArguments, wrkScript } from './wrk.ts';

/** A program that sends requests and says how long they took. */
export interface LoadGenerator {
  /** Name and version, as a report names it. */
  readonly title: string;
  command(request: LoadRequest): readonly string[];
  /** @throws Error when the output is not what the program prints */
  parse(output: string): LoadResult;
}

export interface LoadOptions {
  /** A folder that lives as long as the run. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onStep: (text: string) => void;
}

/**
 * Finds the load generator; fortio is installed where there is Go.
 * @throws UserError MACHINE_MISSING_PROGRAM where it is not and cannot be got; MACHINE_NO_REGISTRY
 */
export async function findLoadGenerator(kind: 'fortio' | 'wrk', options: LoadOptions): Promise<LoadGenerator> {
  return kind === 'fortio' ? findFortio(options) : findWrk(options);
}

/** A pod whose only purpose is that its image is fortio's. */
const fortioPod = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'fortio' },
  spec: { containers: [{ name: 'fortio', image: 'fortio/fortio' }] },
});

async function findFortio({ signal, onStep }: LoadOptions): Promise<LoadGenerator> {
  const { manifests } = parseManifests(fortioPod, 'fortio.yaml');
  await installFortio(manifests, { signal, onStart: (version) => onStep(`installing fortio ${version} with go`) });
  const { fortio } = machinePrograms('');
  if (fortio === null) {
    throw new UserError(
      'MACHINE_MISSING_PROGRAM',
      'Cannot make load because there is neither fortio nor Go to install it with: not in PATH, not in ~/go/bin',
      {
        cure: 'Install Go and run again, put a fortio program into PATH, or use wrk with --load wrk.',
        command: 'go install fortio.org/fortio@latest',
        exitCode: exitCodes.machine,
      },
    );
  }
  const version = execFileSync(fortio, ['version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    .trim()
    .split(/\s/)[0];
  return { title: `fortio ${version}`, command: (request) => [fortio, ...fortioArguments(request)], parse: parseFortio };
}

function findWrk({ folder }: LoadOptions): LoadGenerator {
  const wrk = findExecutable('wrk');
  if (wrk === null) {
    throw new UserError('MACHINE_MISSING_PROGRAM', 'Cannot make load because wrk is missing: not in PATH', {
      cure: 'Install it, or use fortio.',
      command: 'apt-get install wrk',
      exitCode: exitCodes.machine,
    });
  }
  const script = join(folder, 'report.lua');
  writeFileSync(script, wrkScript, { mode: 0o644 });
  return { title: wrkTitle(wrk), command: (request) => [wrk, ...wrkArguments(request, script)], parse: parseWrk };
}

/** wrk says its version and then how it is used, which it takes for a failure. */
function wrkTitle(wrk: string): string {
  let said: string;
  try {
    said = execFileSync(wrk, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    said = String((error as { readonly stdout?: unknown }).stdout ?? '');
  }
  return `wrk ${/^wrk (?:debian\/)?(\S+)/.exec(said)?.[1] ?? 'of unknown version'}`;
}
