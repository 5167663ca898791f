import { readFileSync } from 'node:fs';

/** Bits of linux/capability.h that Millrace needs. */
const needed = { CAP_NET_ADMIN: 12, CAP_SYS_PTRACE: 19, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const;
export type CapabilityName = keyof typeof needed;

/** The capabilities that Millrace needs and a process lacks, from the text of its /proc/PID/status. CAP_SYS_ADMIN stands for BPF and PERFMON. */
export function missingCapabilities(status: string): CapabilityName[] {
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const has = (name: CapabilityName): boolean => ((mask >> BigInt(needed[name])) & 1n) === 1n;
  const names: CapabilityName[] = ['CAP_NET_ADMIN', 'CAP_SYS_PTRACE', 'CAP_SYS_ADMIN', 'CAP_PERFMON', 'CAP_BPF'];
  return names.filter((name) => !has(name) && !((name === 'CAP_BPF' || name === 'CAP_PERFMON') && has('CAP_SYS_ADMIN')));
}

/** The same of this process. */
export function ownMissingCapabilities(): CapabilityName[] {
  return missingCapabilities(readFileSync('/proc/self/status', 'latin1'));
}
