/**
 * Byte offsets of the C structures that this folder fills by hand, on 64-bit little-endian Linux. The keys are the C member paths, so that
 * layouts.kernel.test.ts can hold every one of them against offsetof() of a compiled program.
 */

/** union bpf_attr of linux/bpf.h. */
export const bpfAttr = {
  // BPF_MAP_CREATE
  map_type: 0,
  key_size: 4,
  value_size: 8,
  max_entries: 12,
  map_flags: 16,
  map_name: 28,
  btf_fd: 48,
  btf_key_type_id: 52,
  btf_value_type_id: 56,
  // BPF_MAP_*_ELEM, BPF_MAP_GET_NEXT_KEY, BPF_MAP_FREEZE
  map_fd: 0,
  key: 8,
  value: 16,
  next_key: 16,
  flags: 24,
  // BPF_MAP_*_BATCH
  'batch.in_batch': 0,
  'batch.out_batch': 8,
  'batch.keys': 16,
  'batch.values': 24,
  'batch.count': 32,
  'batch.map_fd': 36,
  'batch.elem_flags': 40,
  'batch.flags': 48,
  // BPF_PROG_LOAD
  prog_type: 0,
  insn_cnt: 4,
  insns: 8,
  license: 16,
  log_level: 24,
  log_size: 28,
  log_buf: 32,
  prog_name: 48,
  expected_attach_type: 68,
  prog_btf_fd: 72,
  func_info_rec_size: 76,
  func_info: 80,
  func_info_cnt: 88,
  attach_btf_id: 108,
  // BPF_OBJ_PIN, BPF_OBJ_GET
  pathname: 0,
  bpf_fd: 8,
  file_flags: 12,
  // BPF_PROG_ATTACH, BPF_PROG_DETACH
  target_fd: 0,
  attach_bpf_fd: 4,
  attach_type: 8,
  attach_flags: 12,
  // BPF_PROG_TEST_RUN
  'test.prog_fd': 0,
  'test.retval': 4,
  'test.data_size_in': 8,
  'test.data_size_out': 12,
  'test.data_in': 16,
  'test.data_out': 24,
  'test.repeat': 32,
  'test.duration': 36,
  'test.ctx_size_in': 40,
  'test.ctx_size_out': 44,
  'test.ctx_in': 48,
  'test.ctx_out': 56,
  // BPF_*_GET_NEXT_ID, BPF_*_GET_FD_BY_ID
  start_id: 0,
  next_id: 4,
  open_flags: 8,
  // BPF_OBJ_GET_INFO_BY_FD
  'info.bpf_fd': 0,
  'info.info_len': 4,
  'info.info': 8,
  // BPF_PROG_QUERY
  'query.target_fd': 0,
  'query.attach_type': 4,
  'query.query_flags': 8,
  'query.attach_flags': 12,
  'query.prog_ids': 16,
  'query.prog_cnt': 24,
  // BPF_BTF_LOAD
  btf: 0,
  btf_log_buf: 8,
  btf_size: 16,
  btf_log_size: 20,
  btf_log_level: 24,
  // BPF_LINK_CREATE
  'link_create.prog_fd': 0,
  'link_create.target_fd': 4,
  'link_create.attach_type': 8,
  'link_create.flags': 12,
  // BPF_LINK_UPDATE
  'link_update.link_fd': 0,
  'link_update.new_prog_fd': 4,
  'link_update.flags': 8,
  'link_update.old_prog_fd': 12,
  // BPF_LINK_DETACH
  'link_detach.link_fd': 0,
  // BPF_ENABLE_STATS
  'enable_stats.type': 0,
} as const;

export type BpfAttrField = keyof typeof bpfAttr;

/**
 * Bytes handed to every bpf(2) call: sizeof(union bpf_attr) of Linux 6.1. Older kernels accept a longer one when the rest is zero, newer
 * ones accept a shorter one.
 */
export const bpfAttrSize = 144;

/** struct bpf_prog_info of linux/bpf.h. */
export const bpfProgInfo = {
  type: 0,
  id: 4,
  tag: 8,
  jited_prog_len: 16,
  xlated_prog_len: 20,
  load_time: 40,
  nr_map_ids: 52,
  map_ids: 56,
  name: 64,
  run_time_ns: 192,
  run_cnt: 200,
  recursion_misses: 208,
  verified_insns: 216,
} as const;
export const bpfProgInfoSize = 232;

/** struct bpf_map_info of linux/bpf.h. */
export const bpfMapInfo = { type: 0, id: 4, key_size: 8, value_size: 12, max_entries: 16, map_flags: 20, name: 24 } as const;
export const bpfMapInfoSize = 88;

/** struct bpf_link_info of linux/bpf.h, as far as Linux 6.1 knows it; tcx and sockmap have the layout of netns. */
export const bpfLinkInfo = {
  type: 0,
  id: 4,
  prog_id: 8,
  'cgroup.cgroup_id': 16,
  'cgroup.attach_type': 24,
  'netns.netns_ino': 16,
  'netns.attach_type': 20,
} as const;
/** Longer than any link info of Linux 6.18 that has no array in it; the kernel writes what it knows. */
export const bpfLinkInfoSize = 64;

/** struct bpf_object_open_opts of bpf/libbpf.h 1.1; a shorter structure is valid for every later version. */
export const bpfObjectOpenOpts = { sz: 0, object_name: 8, kernel_log_buf: 56, kernel_log_size: 64, kernel_log_level: 72 } as const;
export const bpfObjectOpenOptsSize = 80;

/** struct bpf_prog_load_opts of bpf/bpf.h 1.1. */
export const bpfProgLoadOpts = {
  sz: 0,
  expected_attach_type: 12,
  prog_btf_fd: 16,
  func_info: 56,
  func_info_cnt: 64,
  func_info_rec_size: 68,
  log_level: 88,
  log_size: 92,
  log_buf: 96,
} as const;
export const bpfProgLoadOptsSize = 104;

/** struct epoll_event of sys/epoll.h: packed on x86-64 only. */
export const epollEvent = process.arch === 'x64' ? ({ events: 0, data: 4 } as const) : ({ events: 0, data: 8 } as const);
export const epollEventSize = process.arch === 'x64' ? 12 : 16;
