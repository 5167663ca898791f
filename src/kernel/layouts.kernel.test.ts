import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProgram, llvmNames } from '../../tools/find-program.mjs';
import * as layouts from './layouts.ts';

/** Lets the compiler judge `offsetof(type, member) == offset` and the sizes; returns its complaints. */
function compile(lines: readonly string[]): string {
  const clang = findProgram(llvmNames('clang'));
  if (clang === null) throw new Error('clang is not installed');
  const directory = mkdtempSync(join(tmpdir(), 'millrace-layouts-'));
  try {
    const source = join(directory, 'layouts.c');
    const headers = ['stddef.h', 'sys/epoll.h', 'linux/bpf.h', 'bpf/libbpf.h', 'bpf/bpf.h'].map((header) => `#include <${header}>`);
    writeFileSync(source, [...headers, ...lines, ''].join('\n'));
    return spawnSync(clang, ['-fsyntax-only', '-ferror-limit=0', source], { encoding: 'utf8' }).stderr;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const offsets = (type: string, table: Readonly<Record<string, number>>): string[] =>
  Object.entries(table).map(([member, offset]) => `_Static_assert(offsetof(${type}, ${member}) == ${offset}, "${type} ${member}");`);
// Headers newer than ours have longer structures; ours must be a part of them.
const size = (type: string, bytes: number): string => `_Static_assert(sizeof(${type}) >= ${bytes}, "size of ${type}");`;

test('layouts hold every offset and size that the C compiler computes', () => {
  const lines = [
    ...offsets('union bpf_attr', layouts.bpfAttr),
    size('union bpf_attr', layouts.bpfAttrSize),
    ...offsets('struct bpf_prog_info', layouts.bpfProgInfo),
    size('struct bpf_prog_info', layouts.bpfProgInfoSize),
    ...offsets('struct bpf_map_info', layouts.bpfMapInfo),
    size('struct bpf_map_info', layouts.bpfMapInfoSize),
    ...offsets('struct bpf_link_info', layouts.bpfLinkInfo),
    ...offsets('struct bpf_object_open_opts', layouts.bpfObjectOpenOpts),
    size('struct bpf_object_open_opts', layouts.bpfObjectOpenOptsSize),
    ...offsets('struct bpf_prog_load_opts', layouts.bpfProgLoadOpts),
    size('struct bpf_prog_load_opts', layouts.bpfProgLoadOptsSize),
    ...offsets('struct epoll_event', layouts.epollEvent),
    `_Static_assert(sizeof(struct epoll_event) == ${layouts.epollEventSize}, "size of struct epoll_event");`,
  ];
  expect(lines.length).toBeGreaterThan(90);
  expect(compile(lines)).toBe('');
});

test('layouts are refused by the compiler when an offset is wrong', () => {
  expect(compile(offsets('union bpf_attr', { map_fd: 4 }))).toContain('union bpf_attr map_fd');
});
