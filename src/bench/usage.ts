import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CpuUsage } from './metrics.ts';
import { parseCpuStat, parseSwitches } from './metrics.ts';

/** The cgroups of the four roles; a way without proxies has two of them. */
export interface Roles {
  readonly clientApp: string;
  readonly serverApp: string;
  readonly proxies: readonly string[];
}

/** What the roles have used since they are there. */
export interface RolesUsage {
  readonly all: CpuUsage;
  readonly proxies: CpuUsage;
  /** Of the processes that live; the client does not yet or no more. */
  readonly switches: number;
}

/** Reads the counters of all roles. Loopback and veth do a receiver's softirq work in the sender's time, so only their sum says something. */
export function readUsage(roles: Roles): RolesUsage {
  const applications = [roles.clientApp, roles.serverApp].map(cpuOf);
  const proxies = roles.proxies.map(cpuOf);
  const pids = [roles.serverApp, ...roles.proxies].flatMap(processesIn);
  return { all: total([...applications, ...proxies]), proxies: total(proxies), switches: sum(pids.map(switchesOf)) };
}

/** What was used between two readings. */
export function usedBetween(before: RolesUsage, after: RolesUsage): RolesUsage {
  const less = (a: CpuUsage, b: CpuUsage): CpuUsage => ({ usage: b.usage - a.usage, system: b.system - a.system });
  return { all: less(before.all, after.all), proxies: less(before.proxies, after.proxies), switches: after.switches - before.switches };
}

/** Lets processes, all their threads, run on these CPUs only (as taskset lists them). */
export function pin(pids: readonly number[], cpus: string): void {
  for (const pid of pids)
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cpus, String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Processes of a cgroup itself, not of those below. */
export function processesIn(cgroup: string): readonly number[] {
  return readFileSync(join(cgroup, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number);
}

function cpuOf(cgroup: string): CpuUsage {
  return parseCpuStat(readFileSync(join(cgroup, 'cpu.stat'), 'latin1'));
}

function total(usages: readonly CpuUsage[]): CpuUsage {
  return { usage: sum(usages.map(({ usage }) => usage)), system: sum(usages.map(({ system }) => system)) };
}

function switchesOf(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return sum(readdirSync(tasks).map((task) => parseSwitches(readFileSync(`${tasks}/${task}/status`, 'latin1'))));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0);
}
