import { accessSync, constants, existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { projectRoot } from '../base/project.ts';
import type { MachinePrograms } from './images/image.ts';

/** Absolute path of an executable in PATH or one of the usual folders; null where there is none. */
export function findExecutable(name: string, searchPath: string = process.env.PATH ?? ''): string | null {
  const folders = [...searchPath.split(delimiter).filter((folder) => folder !== ''), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  for (const folder of folders) {
    const path = join(folder, name);
    if (isExecutable(path)) return path;
  }
  return null;
}

/** Where installFortio puts the program: beside Envoy, below the project's folder for programs that are fetched. */
export function installedFortio(): string {
  return join(projectRoot(), '.envoy', 'fortio', 'fortio');
}

/** What this machine offers for the image table. Looks at the file system only; no process is started. */
export function machinePrograms(dist: string): MachinePrograms {
  return {
    node: realpathSync(process.execPath),
    dist,
    curl: findExecutable('curl'),
    postgres: postgresFolder(),
    fortio: findExecutable('fortio') ?? [join(homedir(), 'go/bin/fortio'), installedFortio()].find(isExecutable) ?? null,
  };
}

/** Debian's PATH has only wrappers for PostgreSQL; the server is in a folder by version. The newest one wins. */
function postgresFolder(): string | null {
  const inPath = findExecutable('postgres');
  if (inPath !== null && isExecutable(join(dirname(realpathSync(inPath)), 'initdb'))) return dirname(realpathSync(inPath));
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return null;
  const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return (
    versions
      .map((version) => join(root, version, 'bin'))
      .find((folder) => isExecutable(join(folder, 'postgres')) && isExecutable(join(folder, 'initdb'))) ?? null
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Missing or not ours to run: both mean "not here".
    return false;
  }
}
