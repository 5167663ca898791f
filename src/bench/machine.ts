import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** What a number depends on besides our code, on any machine. */
export interface MachineFacts {
  readonly kernel: string;
  readonly processor: string;
  readonly processors: number;
  /** Of all memory, GiB. */
  readonly memory: number;
  readonly node: string;
}

/** Reads them. */
export function machineFacts(): MachineFacts {
  const processors = cpus();
  return {
    kernel: release(),
    processor: processors[0]?.model.trim() ?? 'unknown',
    processors: processors.length,
    memory: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
}

/** The load average of the last minute. Above the number of processors the machine was busy with something else. */
export function loadAverage(): number {
  return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
}
