import { expect, test } from 'vitest';
import { Attr, kernelName } from './attr.ts';
import { describeBpfCall, tracerFromEnvironment } from './bpf-trace.ts';

test('describeBpfCall() shows command, attributes, result and time when the call succeeds', () => {
  const attr = new Attr().u32('map_type', 1).u32('key_size', 4).u32('value_size', 8).u32('max_entries', 64).objectName('map_name', 'pods');
  expect(describeBpfCall('MAP_CREATE', attr.bytes, 7, 12.34)).toBe(
    'bpf(MAP_CREATE type=HASH name=pods key_size=4 value_size=8 max_entries=64 map_flags=0) = 7 12.3us',
  );
});

test('describeBpfCall() names the errno when the call fails', () => {
  expect(describeBpfCall('MAP_LOOKUP_ELEM', new Attr().u32('map_fd', 3).bytes, -2, 1)).toBe('bpf(MAP_LOOKUP_ELEM map_fd=3) = ENOENT 1.0us');
});

test('tracerFromEnvironment() traces only when MILLRACE_TRACE_BPF is 1', () => {
  expect(tracerFromEnvironment({})).toBeNull();
  expect(tracerFromEnvironment({ MILLRACE_TRACE_BPF: '0' })).toBeNull();
  expect(tracerFromEnvironment({ MILLRACE_TRACE_BPF: '1' })).not.toBeNull();
});

test('kernelName() keeps what the kernel accepts when a name has other characters or is long', () => {
  expect(kernelName('pod/a-b.c_d')).toBe('pod_a_b.c_d');
  expect(kernelName('0123456789abcdefgh')).toBe('0123456789abcde');
});
