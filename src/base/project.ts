import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };
import envoy from '../../tools/envoy.json' with { type: 'json' };
import { exitCodes, UserError } from './errors.ts';

/** The version of this build, from package.json. */
export const version: string = packageJson.version;

/** The version of Envoy that the set-up installs and the tests ran with. */
export const envoyVersion: string = envoy.version;

/** The folder of the project: the nearest one above this module that holds package.json, whether it runs from src/ or from dist/. */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}`);
    folder = parent;
  }
  return folder;
}

/** The launcher, for starting ourselves in the background: `process.execPath` and this path. */
export function launcherPath(): string {
  return join(projectRoot(), 'bin', 'millrace');
}

/**
 * The compiled kernel side, `dist/bpf/NAME.bpf.o`.
 * Throws UserError BPF_OBJECT_MISSING where the project is not built.
 */
export function bpfObjectPath(name = 'millrace'): string {
  const path = join(projectRoot(), 'dist', 'bpf', `${name}.bpf.o`);
  if (!existsSync(path)) {
    throw new UserError(
      'BPF_OBJECT_MISSING',
      `Cannot load the BPF programs because the compiled object is missing: ${path} does not exist`,
      {
        cure: 'Build the project.',
        command: 'npm run setup',
        exitCode: exitCodes.machine,
        data: { path },
      },
    );
  }
  return path;
}

/** Where Envoy is: MILLRACE_ENVOY, or what the set-up installed below `.envoy/`. The file may be missing; `envoyPath` checks. */
export function envoyCandidate(env: NodeJS.ProcessEnv): string {
  const override = env.MILLRACE_ENVOY;
  return override !== undefined && override !== '' ? override : join(projectRoot(), '.envoy', envoyVersion, 'envoy');
}

/** The Envoy binary. Throws UserError MACHINE_MISSING_PROGRAM where there is none. */
export function envoyPath(env: NodeJS.ProcessEnv): string {
  const path = envoyCandidate(env);
  if (!existsSync(path)) {
    throw new UserError('MACHINE_MISSING_PROGRAM', `Cannot start a proxy because Envoy is missing: ${path} does not exist`, {
      cure: 'Install Envoy with the set-up, or name a binary with MILLRACE_ENVOY=/path/to/envoy.',
      command: 'npm run setup',
      exitCode: exitCodes.machine,
      data: { path },
    });
  }
  return path;
}
