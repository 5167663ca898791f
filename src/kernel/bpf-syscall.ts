import type { Attr } from './attr.ts';
import type { BpfCommandName } from './bpf-constants.ts';
import { BpfCommand } from './bpf-constants.ts';
import type { BpfTracer } from './bpf-trace.ts';
import { tracerFromEnvironment } from './bpf-trace.ts';
import { lastErrno } from './ffi.ts';
import { libc } from './libc.ts';
import { SysError } from './sys-error.ts';

const bpfNumber = process.arch === 'x64' ? 321 : 280;

let tracer: BpfTracer | null | undefined;

/**
 * bpf(2) as it is: the result, or -errno. For callers to whom some errno is an answer (no such key, no batches for this type of map).
 * `attr` is a union bpf_attr; everything it points to must stay reachable until the call returns.
 */
export function bpfResult(command: BpfCommandName, attr: Buffer): number {
  tracer ??= tracerFromEnvironment(process.env);
  const started = tracer === null ? 0 : performance.now();
  const result = libc().syscall(bpfNumber, BpfCommand[command], attr, attr.length);
  const outcome = result < 0 ? -lastErrno() : result;
  if (tracer !== null) tracer(command, attr, outcome, (performance.now() - started) * 1000);
  return outcome;
}

/** Lines of the same shape for calls that libbpf makes on our behalf, so that a trace shows every program load. */
export function traceBpf(command: BpfCommandName, attr: Buffer, result: number, microseconds: number): void {
  tracer ??= tracerFromEnvironment(process.env);
  if (tracer !== null) tracer(command, attr, result, microseconds);
}

/** bpf(2) that must succeed. Returns what the kernel returned (a descriptor, 0, a count). @throws SysError */
export function bpf(command: BpfCommandName, attr: Attr, about = ''): number {
  const result = bpfResult(command, attr.bytes);
  if (result < 0) throw new SysError(`bpf(${command}${about === '' ? '' : ` ${about}`})`, -result);
  return result;
}
