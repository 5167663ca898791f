import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stripCommonPrefix } from './abi/names.mjs';
import { differences, generateAbi } from './generate-abi.mjs';

interface Inner {
  readonly port: number;
  readonly address: number;
}
interface EveryShape {
  readonly wide: bigint;
  readonly signedWide: bigint;
  readonly wideBe: bigint;
  readonly signedWord: number;
  readonly half: number;
  readonly byte: number;
  readonly signedByte: number;
  readonly inner: Inner;
  readonly list: readonly Inner[];
  readonly bytes: Uint8Array;
  readonly ports: readonly number[];
  readonly level: number;
  readonly wides: readonly bigint[];
}
interface Generated {
  readonly FruitFlags: Record<string, number>;
  readonly Single: Record<string, number>;
  readonly Level: Record<string, number>;
  readonly everyShapeSize: number;
  readonly everyShapeOffsets: Record<string, number>;
  readonly everyShapeCodec: { size: number; read: (view: DataView, offset: number) => EveryShape };
  readonly readEveryShape: (view: DataView, offset?: number) => EveryShape;
  readonly writeEveryShape: (view: DataView, offset: number, value: EveryShape) => void;
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-generated-'));
const files = generateAbi('bpf/tests/abi_fixture.c');
let generated: Generated;

beforeAll(async () => {
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
  const outfile = join(folder, 'all.mjs');
  await build({ entryPoints: [join(folder, 'index.ts')], bundle: true, format: 'esm', outfile, logLevel: 'silent' });
  // The module is what the generator wrote: its shape is the claim that the tests below check.
  generated = (await import(pathToFileURL(outfile).href)) as Generated;
});

afterAll(() => rmSync(folder, { recursive: true }));

const value: EveryShape = {
  wide: 2n ** 64n - 1n,
  signedWide: -2n,
  wideBe: 0x0102030405060708n,
  signedWord: -3,
  half: 0xfffe,
  byte: 255,
  signedByte: -1,
  inner: { port: 0x1234, address: 0x0a000001 },
  list: [
    { port: 1, address: 2 },
    { port: 3, address: 4 },
  ],
  bytes: Uint8Array.of(1, 2, 3, 4, 5, 6),
  ports: [80, 443, 15001],
  level: 1,
  wides: [1n, 2n ** 63n],
};

test('src/abi/gen is what bpf/abi says', () => {
  expect(differences(generateAbi('bpf/abi/types.c'), 'src/abi/gen')).toEqual([]);
});

test('generateAbi() gives the same files when it runs again', () => {
  expect([...generateAbi('bpf/tests/abi_fixture.c')]).toEqual([...files]);
});

test('generated writers and readers agree on every shape, at any offset', () => {
  const view = new DataView(new ArrayBuffer(generated.everyShapeSize + 16));
  generated.writeEveryShape(view, 8, value);
  expect(generated.readEveryShape(view, 8)).toEqual(value);
  expect(generated.everyShapeCodec.read(view, 8)).toEqual(value);
  expect(generated.everyShapeCodec.size).toBe(generated.everyShapeSize);
});

test('generated writers put bytes where C has them, in its byte order, and zero the padding', () => {
  const buffer = Buffer.alloc(generated.everyShapeSize, 0xee);
  generated.writeEveryShape(new DataView(buffer.buffer, buffer.byteOffset, buffer.length), 0, value);
  expect(buffer.toString('hex')).toBe(
    [
      'ffffffffffffffff', // wide
      'feffffffffffffff', // signed_wide
      '0102030405060708', // wide_be
      'fdffffff', // signed_word
      'feff', // half
      'ff', // byte
      'ff', // signed_byte
      '123400000a000001', // inner: port, pad, address
      '0001000000000002', // list[0]
      '0003000000000004', // list[1]
      '010203040506', // bytes
      '005001bb3a99', // ports
      '00000000', // pad2
      '01000000', // level
      '00000000', // to the next multiple of 8
      '0100000000000000', // wides[0]
      '0000000000000080', // wides[1]
    ].join(''),
  );
  expect(generated.everyShapeOffsets).toMatchObject({ inner: 32, bytes: 56, level: 72, wides: 80 });
  expect(generated.everyShapeOffsets).not.toHaveProperty('pad2');
});

test('generated readers copy byte arrays, so that the view may be reused', () => {
  const view = new DataView(new ArrayBuffer(generated.everyShapeSize));
  generated.writeEveryShape(view, 0, value);
  const read = generated.readEveryShape(view);
  new Uint8Array(view.buffer).fill(0);
  expect(read.bytes).toEqual(value.bytes);
});

test('generated writers throw RangeError when an array has another length', () => {
  const view = new DataView(new ArrayBuffer(generated.everyShapeSize));
  expect(() => generated.writeEveryShape(view, 0, { ...value, ports: [1, 2] })).toThrow(RangeError);
  expect(() => generated.writeEveryShape(view, 0, { ...value, bytes: new Uint8Array(7) })).toThrow(RangeError);
});

test('generated enums drop the words that their keys share', () => {
  expect(generated.FruitFlags).toEqual({ APPLE: 1, APPLE_RED: 2, PEAR: 2 ** 30 });
  expect(generated.Level).toEqual({ LOW: 0, HIGH: 1 });
  expect(generated.Single).toEqual({ ANSWER: 42 });
});

test('stripCommonPrefix() leaves every key a word', () => {
  expect(stripCommonPrefix('mr_x', ['MR_X', 'MR_X_Y'])).toEqual(['X', 'X_Y']);
  expect(stripCommonPrefix('mr_abi', ['MR_ABI_VERSION'])).toEqual(['VERSION']);
  expect(stripCommonPrefix('mr_other', ['MR_ABI_VERSION'])).toEqual(['ABI_VERSION']);
});

test('generateAbi() names what it refuses: bit fields, and enum values that compilers describe differently', () => {
  expect(() => generateAbi('bpf/tests/abi_refused.c')).toThrow('struct mr_bits.low');
  expect(() => generateAbi('bpf/tests/abi_refused_enum.c')).toThrow('MR_SIGNED_LOW is not between');
});

test('generateAbi() shows what the compiler says when the source does not compile', () => {
  expect(() => generateAbi('bpf/tests/nowhere.c')).toThrow('nowhere.c');
});

test('differences() names changed lines and files that should not be there', () => {
  const changed = new Map(files);
  changed.set('single.ts', `${files.get('single.ts')}// more\n`);
  changed.delete('level.ts');
  expect(differences(changed, folder)).toEqual(['level.ts: should not be there', 'single.ts:', '+ // more']);
});
