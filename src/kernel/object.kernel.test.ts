import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { compileBpf } from '../../test/support/compile-bpf.ts';
import { scratchBpffs } from '../../test/support/scratch-kernel.ts';
import { MillraceError } from '../base/errors.ts';
import { mapCodec, u32, u64 } from './codec.ts';
import { BpfObject } from './object.ts';
import type { LoadOptions } from './object-load.ts';
import { patchConstant64 } from './patch-instructions.ts';
import { Program } from './program.ts';
import { VerifierError } from './verifier-error.ts';

const packet = Buffer.alloc(64);
const numbers = mapCodec(u32, u64);
let elf: Buffer;

beforeAll(() => {
  elf = compileBpf('bpf/tests/kernel_objects.bpf.c');
});

const load = (options: Partial<LoadOptions> = {}): Promise<BpfObject> => BpfObject.load(elf, { name: 'test', ...options });

async function failureOf(promise: Promise<BpfObject>): Promise<unknown> {
  const loaded = await promise.catch((error: unknown) => error);
  if (loaded instanceof BpfObject) loaded.close();
  return loaded;
}

test('load() makes programs and maps findable by their C names', async () => {
  using object = await load();
  expect(object.programNames).toEqual(['emit', 'wide', 'connect4_one', 'connect4_two', 'lookup', 'message']);
  expect(object.mapNames).toEqual(expect.arrayContaining(['numbers', 'events', '.rodata', '.bss', '.data']));
  expect(object.program('emit').info()).toMatchObject({ type: 'SCHED_CLS', name: 'emit' });
  expect(object.program('emit')).toBe(object.program('emit'));
});

test('load() sets constants of every width when rodata names them', async () => {
  using object = await load({ rodata: { verdict: 2, wide_constant: 0x1234_0000_0000n, redirected_port: 80 } });
  expect(object.program('emit').testRun(packet).returned).toBe(2);
  expect(object.program('wide').testRun(packet).returned).toBe(0x1234);
});

test('load() takes another number of entries when told', async () => {
  using object = await load({ maps: { numbers: { maxEntries: 1000 } } });
  using map = object.map('numbers', numbers);
  expect(map.info.maxEntries).toBe(1000);
});

test('load() does not load skipped programs, and program() says so', async () => {
  using object = await load({ skip: ['lookup'] });
  expect(() => object.program('lookup')).toThrow('was skipped');
  expect(object.program('emit').testRun(packet).returned).toBe(1);
});

test('load() keeps the content when a map is reused by descriptor or by pin', async () => {
  using bpffs = scratchBpffs();
  const pin = join(bpffs.path, 'numbers');
  using first = await load();
  using original = first.map('numbers', numbers);
  original.set(1, 42n);
  original.pin(pin);
  for (const reuse of [original.fd, pin]) {
    using second = await load({ maps: { numbers: { reuse } } });
    using map = second.map('numbers', numbers);
    expect(map.info.id).toBe(original.info.id);
    expect(map.get(1)).toBe(42n);
  }
});

test('load() throws ABI_MISMATCH when a reused map has another layout', async () => {
  using object = await load();
  using runs = object.map('runs');
  expect(await failureOf(load({ maps: { numbers: { reuse: runs.fd } } }))).toMatchObject({ code: 'ABI_MISMATCH' });
  expect(await failureOf(load({ maps: { numbers: { maxEntries: 65, reuse: runs.fd } } }))).toMatchObject({ code: 'ABI_MISMATCH' });
});

test.each([
  { rodata: { nothing: 1 } },
  { rodata: { emitted: 1n, nowhere: 2 } },
  { maps: { nothing: { maxEntries: 1 } } },
  { skip: ['nothing'] },
])('load() throws BPF_OBJECT_MISSING when it is given an unknown name: %o', async (options) => {
  expect(await failureOf(load(options))).toMatchObject({ code: 'BPF_OBJECT_MISSING' });
});

test('load() throws BPF_OBJECT_MISSING when the bytes are no object', async () => {
  expect(await failureOf(BpfObject.load(Buffer.from('not an object'), { name: 'x' }))).toMatchObject({ code: 'BPF_OBJECT_MISSING' });
});

test('load() throws a VerifierError with program, reason and source when the verifier refuses', async () => {
  const error = await failureOf(BpfObject.load(compileBpf('bpf/tests/refused.bpf.c'), { name: 'refused' }));
  expect(error).toBeInstanceOf(VerifierError);
  expect(error).toMatchObject({ code: 'BPF_LOAD', program: 'unchecked_read', errno: 'EACCES' });
  expect(String(error)).toContain('invalid access to packet');
  expect(String(error)).toContain('return *(int *)(data + 4);');
});

test('load() names the map when the kernel refuses it', async () => {
  expect(String(await failureOf(load({ maps: { listeners: { maxEntries: 0 } } })))).toContain("map 'listeners'");
});

test('load() lets timers run meanwhile and takes its turn when others load', async () => {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const objects = await Promise.all([load(), load({ rodata: { verdict: 0 } }), load()]);
  clearInterval(timer);
  expect(objects.map((object) => object.program('emit').testRun(packet).returned)).toEqual([1, 0, 1]);
  for (const object of objects) object.close();
  // A shared machine hiccups by itself: the verifier's whole work on this thread would be several times this.
  expect(longest).toBeLessThan(100);
});

test('load() rejects with the reason when the signal is aborted', async () => {
  expect(await failureOf(BpfObject.load(elf, { name: 'x' }, AbortSignal.abort(new Error('enough'))))).toMatchObject({ message: 'enough' });
});

test('global() is the live memory of .bss and .data, and refuses .rodata', async () => {
  using object = await load();
  const emitted = object.global('emitted');
  object.program('emit').testRun(packet, { repeat: 3 });
  expect(emitted.getBigUint64(0, true)).toBe(3n);
  expect(object.global('denied_port').getUint32(0, true)).toBe(17);
  expect(() => object.global('verdict')).toThrow(MillraceError);
  expect(() => object.global('nothing')).toThrow(MillraceError);
});

test('instructions() can be patched and loaded again as a program of its own', async () => {
  using object = await load();
  const instructions = object.instructions('lookup');
  expect(instructions.length % 8).toBe(0);
  const loadPatched = (value: bigint): Promise<Program> =>
    Program.loadRaw({
      type: 'SK_LOOKUP',
      expectedAttachType: 'SK_LOOKUP',
      name: 'pod',
      license: 'GPL',
      instructions: patchConstant64(instructions, 0x4d494c4c52414345n, value),
    });
  using one = await loadPatched(1n);
  using two = await loadPatched(2n);
  expect(one.info()).toMatchObject({ type: 'SK_LOOKUP', name: 'pod' });
  expect(one.info().tag).not.toBe(two.info().tag);
});

test('loadRaw() throws a VerifierError with the log when the verifier refuses', async () => {
  const error = await Program.loadRaw({
    type: 'SCHED_CLS',
    name: 'endless',
    license: 'GPL',
    instructions: Buffer.from('b700000000000000', 'hex'),
  }).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ name: 'VerifierError', program: 'endless', errno: 'EINVAL' });
  expect(String(error)).toMatch(/last insn is not an exit/);
});

test('close() twice is once, and a closed object refuses', async () => {
  const object = await load();
  const program = object.program('emit');
  object.close();
  object.close();
  expect(() => object.program('emit').fd).toThrow('closed');
  expect(() => program.fd).toThrow('closed');
  expect(() => object.map('numbers')).toThrow('closed');
});
