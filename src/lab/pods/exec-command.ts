import type { ExecTarget } from '../api.ts';
import { asUser } from './container-script.ts';
import { shellQuote, shellWords } from './shell.ts';

/** A command line that runs `argv` inside a running container: its cgroup first, then its namespaces, user, folder and environment. Pure. */
export function execCommand(target: ExecTarget, argv: readonly string[]): readonly string[] {
  const script = [
    'set -eu',
    `echo $$ > ${shellQuote(`${target.cgroup}/cgroup.procs`)}`,
    `exec nsenter --target ${target.pid} --net --uts --ipc --mount -- ${shellWords(asUser(target, target.env, argv, target.cwd))}`,
  ].join('\n');
  return ['/bin/sh', '-c', script];
}
