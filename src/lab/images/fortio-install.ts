import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { UserError } from '../../base/errors.ts';
import type { Manifest } from '../../manifests/types.ts';
import { findExecutable, installedFortio, machinePrograms } from '../machine.ts';
import { fortioImage } from './fortio.ts';
import { imageRepository } from './table.ts';

/** The version that is installed: the last one before fortio took in a script language and its many modules. */
export const fortioVersion = 'v1.66.3';

/**
 * Installs fortio with the machine's Go, through its module proxy, when a manifest needs it and it is nowhere. Without Go nothing happens:
 * the pod that needs it says so.
 * @throws UserError MACHINE_NO_REGISTRY with what Go printed; the abort reason
 */
export async function installFortio(
  manifests: readonly Manifest[],
  options: { readonly signal: AbortSignal; readonly onStart: (version: string) => void },
): Promise<void> {
  if (!manifests.some(needsFortio) || machinePrograms('').fortio !== null) return;
  const go = findExecutable('go');
  if (go === null) return;
  options.onStart(fortioVersion);
  const folder = dirname(installedFortio());
  mkdirSync(folder, { recursive: true });
  const output = await new Promise<string | null>((resolve, reject) => {
    const env = { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local' };
    const child = spawn(go, ['install', `fortio.org/fortio@${fortioVersion}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env,
      cwd: '/',
      signal: options.signal,
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-2000);
    });
    child.once('error', reject);
    child.once('close', (code) => resolve(code === 0 ? null : errors));
  });
  if (output === null) return;
  throw new UserError(
    'MACHINE_NO_REGISTRY',
    `Cannot install fortio because go install failed: ${output.trim().split('\n').at(-1) ?? 'no output'}`,
    {
      cure: 'Check that the Go module proxy can be reached, or put a fortio program into PATH.',
      command: `go install fortio.org/fortio@${fortioVersion}`,
    },
  );
}

function needsFortio(manifest: Manifest): boolean {
  const spec = manifest.kind === 'Pod' ? manifest.spec : manifest.kind === 'Deployment' ? manifest.template.spec : null;
  return spec?.containers.some((container) => fortioImage.repositories.includes(imageRepository(container.image))) ?? false;
}
