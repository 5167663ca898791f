import { shellQuote } from '../pods/shell.ts';

/** The line that a holder prints when its namespaces are set up. */
export const holderReady = 'ready';

export interface HolderScript {
  readonly hostname: string;
  /** cgroup that the holder joins before it makes anything. */
  readonly cgroup: string;
  /** Files below /proc/sys and their values, written inside the new namespaces; missing files are skipped. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** `ip -batch` commands inside the new namespaces. */
  readonly batch: string;
  /** `ip -batch` commands in another process's network namespace, after that. */
  readonly other: { readonly pid: number; readonly batch: string } | null;
}

/**
 * A shell script that becomes the process holding a pod's (or the node's) network, host name and IPC namespaces. One process tree per
 * pod and no file: when the process ends, the namespaces and everything in them are gone. Killed together with the daemon.
 */
export function holderScript(options: HolderScript): string {
  const sysctls = Object.entries(options.sysctls).map(
    ([file, value]) => `[ ! -e /proc/sys/${file} ] || echo ${shellQuote(value)} > /proc/sys/${file}`,
  );
  const inner = [
    'set -eu',
    `echo ${shellQuote(options.hostname)} > /proc/sys/kernel/hostname`,
    ...sysctls,
    heredoc('ip -batch -', options.batch),
    ...(options.other === null ? [] : [heredoc(`nsenter --net=/proc/${options.other.pid}/ns/net ip -batch -`, options.other.batch)]),
    `echo ${holderReady}`,
    // Standard output is the pipe that "ready" went through; the daemon closes it, and nothing else may hold it open.
    'exec setpriv --pdeathsig KILL --no-new-privs --bounding-set=-all -- sleep infinity >/dev/null 2>&1',
  ].join('\n');
  return [
    'set -eu',
    `echo $$ > ${shellQuote(`${options.cgroup}/cgroup.procs`)}`,
    `exec unshare --net --uts --ipc -- /bin/sh -c ${shellQuote(inner)}`,
  ].join('\n');
}

function heredoc(command: string, text: string): string {
  return `${command} <<'END'\n${text}END`;
}
