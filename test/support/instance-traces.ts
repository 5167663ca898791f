import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findBpffs, findCgroup2, objectIds } from '../../src/kernel/index.ts';

/**
 * What one instance has on the machine at this moment, one readable line each: run-time files, pins, mounts, cgroups, processes. Network namespaces
 * of a lab have no name: they are where a process is, and are found with it.
 */
export function tracesOf(instance: string): readonly string[] {
  const cgroup = join(findCgroup2(), 'millrace', instance);
  const folders = [`/run/millrace/${instance}`, join(findBpffs() ?? '/sys/fs/bpf', 'millrace', instance), cgroup];
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return [
    ...folders.filter((path) => existsSync(path)).map((path) => `folder ${path}`),
    ...mounts.filter((line) => line.includes(`/${instance}/`)).map((line) => `mount ${line}`),
    ...processesOf(instance),
  ];
}

/** The programs of `ids` that the kernel still has; freeing them takes it a moment. */
export function livingPrograms(ids: readonly number[]): readonly number[] {
  const living = new Set(objectIds('program'));
  return ids.filter((id) => living.has(id));
}

function processesOf(instance: string): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return [];
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
      const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'latin1');
      const ours = cgroup.includes(`/millrace/${instance}/`) || command.includes(`"${instance}"`) || command.includes(` ${instance} `);
      return ours && command !== '' ? [`process ${pid}: ${command.slice(0, 100)}`] : [];
    } catch {
      // It ended while we looked.
      return [];
    }
  });
}
