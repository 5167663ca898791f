import { writeSync } from 'node:fs';
import type { BpfCommandName } from './bpf-constants.ts';
import { MapType, nameOf, ProgramType } from './bpf-constants.ts';
import { fromCString } from './ffi.ts';
import type { BpfAttrField } from './layouts.ts';
import { bpfAttr } from './layouts.ts';
import { errnoName } from './sys-error.ts';

/** Writes one line per bpf(2) call. */
export type BpfTracer = (command: BpfCommandName, attr: Buffer, result: number, microseconds: number) => void;

const shownFields: Partial<Record<BpfCommandName, readonly BpfAttrField[]>> = {
  MAP_CREATE: ['key_size', 'value_size', 'max_entries', 'map_flags'],
  MAP_LOOKUP_ELEM: ['map_fd'],
  MAP_UPDATE_ELEM: ['map_fd', 'flags'],
  MAP_DELETE_ELEM: ['map_fd'],
  MAP_GET_NEXT_KEY: ['map_fd'],
  MAP_FREEZE: ['map_fd'],
  MAP_LOOKUP_BATCH: ['batch.map_fd', 'batch.count'],
  MAP_UPDATE_BATCH: ['batch.map_fd', 'batch.count'],
  MAP_DELETE_BATCH: ['batch.map_fd', 'batch.count'],
  PROG_LOAD: ['insn_cnt', 'expected_attach_type'],
  OBJ_PIN: ['bpf_fd'],
  OBJ_GET: ['file_flags'],
  PROG_ATTACH: ['target_fd', 'attach_bpf_fd', 'attach_type'],
  PROG_DETACH: ['target_fd', 'attach_bpf_fd', 'attach_type'],
  PROG_TEST_RUN: ['test.prog_fd', 'test.repeat', 'test.retval'],
  OBJ_GET_INFO_BY_FD: ['info.bpf_fd', 'info.info_len'],
  PROG_QUERY: ['query.target_fd', 'query.attach_type', 'query.prog_cnt'],
  LINK_CREATE: ['link_create.prog_fd', 'link_create.target_fd', 'link_create.attach_type', 'link_create.flags'],
  LINK_UPDATE: ['link_update.link_fd', 'link_update.new_prog_fd', 'link_update.flags'],
  LINK_DETACH: ['link_detach.link_fd'],
  PROG_GET_NEXT_ID: ['start_id', 'next_id'],
  MAP_GET_NEXT_ID: ['start_id', 'next_id'],
  LINK_GET_NEXT_ID: ['start_id', 'next_id'],
};

/** One call as text: `bpf(MAP_LOOKUP_ELEM map_fd=7) = ENOENT 1.9us`. `result` is what the call returned, or -errno. */
export function describeBpfCall(command: BpfCommandName, attr: Buffer, result: number, microseconds: number): string {
  const parts: string[] = [command];
  if (command === 'MAP_CREATE') parts.push(`type=${nameOf(MapType, attr.readUInt32LE(bpfAttr.map_type))}`, nameAt(attr, bpfAttr.map_name));
  if (command === 'PROG_LOAD')
    parts.push(`type=${nameOf(ProgramType, attr.readUInt32LE(bpfAttr.prog_type))}`, nameAt(attr, bpfAttr.prog_name));
  for (const field of shownFields[command] ?? []) parts.push(`${field.slice(field.indexOf('.') + 1)}=${attr.readUInt32LE(bpfAttr[field])}`);
  return `bpf(${parts.join(' ')}) = ${result < 0 ? errnoName(-result) : result} ${microseconds.toFixed(1)}us`;
}

function nameAt(attr: Buffer, offset: number): string {
  return `name=${fromCString(attr.subarray(offset, offset + 16))}`;
}

/** A tracer to standard error if the environment has MILLRACE_TRACE_BPF=1, else null. */
export function tracerFromEnvironment(environment: NodeJS.ProcessEnv): BpfTracer | null {
  if (environment.MILLRACE_TRACE_BPF !== '1') return null;
  return (command, attr, result, microseconds) => {
    writeSync(2, `${describeBpfCall(command, attr, result, microseconds)}\n`);
  };
}
