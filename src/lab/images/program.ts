import type { Container } from '../../manifests/types.ts';
import type { ImageProgram, MachinePrograms } from './image.ts';
import { findImage } from './table.ts';

/** A container ready to be started: image and manifest merged. */
export interface ContainerProgram {
  readonly argv: readonly string[];
  readonly prepare: readonly string[] | null;
  readonly uid: number;
  readonly gid: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: ImageProgram['mounts'];
  readonly stopSignal: 'SIGTERM' | 'SIGINT';
  readonly readiness: ImageProgram['readiness'];
}

const searchPath = '/run/programs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * What a container runs, as a container runtime decides it: `command` replaces the image's entry point and drops its preparation, `args`
 * replaces its arguments. The user is the manifest's, else the image's; a user given without a group gets group 0, as in Kubernetes.
 * @throws UserError IMAGE_UNKNOWN, MACHINE_MISSING_PROGRAM
 */
export function containerProgram(container: Container, hostname: string, machine: MachinePrograms): ContainerProgram {
  const { recipe, repository } = findImage(container);
  const given: Record<string, string> = {};
  for (const { name, value } of container.env) given[name] = value;
  const image = recipe.resolve({ args: container.args, env: given, machine }, repository);
  const args = container.args ?? [];
  const replaced = container.command !== null && container.command.length > 0;
  const head = replaced ? (container.command ?? []) : image.entry;
  // The postgres image lets `args` begin with the server's own name.
  const tail = !replaced && image.entry[0]?.endsWith('/postgres') === true && args[0] === 'postgres' ? args.slice(1) : args;
  const uid = container.runAsUser ?? image.uid;
  return {
    argv: [...head, ...tail],
    prepare: replaced ? null : image.prepare,
    uid,
    gid: container.runAsGroup ?? (container.runAsUser === null ? image.gid : 0),
    cwd: container.workingDir ?? '/',
    env: { PATH: searchPath, HOSTNAME: hostname, HOME: uid === 0 ? '/root' : '/tmp', ...image.env, ...given },
    mounts: image.mounts,
    stopSignal: image.stopSignal,
    readiness: replaced ? null : image.readiness,
  };
}
