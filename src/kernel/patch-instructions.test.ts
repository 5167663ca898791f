import { expect, test } from 'vitest';
import { patchConstant64 } from './patch-instructions.ts';

const magic = 0x1122334455667788n;
const wide = (constant: bigint, source = 0): Buffer => {
  const code = Buffer.alloc(16);
  code.writeUInt8(0x18, 0);
  code.writeUInt8(source << 4, 1);
  code.writeUInt32LE(Number(constant & 0xffffffffn), 4);
  code.writeUInt32LE(Number(constant >> 32n), 12);
  return code;
};
const exit = Buffer.from('9500000000000000', 'hex');

test('patchConstant64() replaces every occurrence and nothing else when the constant is there twice', () => {
  const code = Buffer.concat([wide(magic), wide(5n), wide(magic), exit]);
  expect(patchConstant64(code, magic, 0xffff_ffff_0000_0001n)).toEqual(
    Buffer.concat([wide(0xffff_ffff_0000_0001n), wide(5n), wide(0xffff_ffff_0000_0001n), exit]),
  );
});

test('patchConstant64() leaves its input alone when it patches', () => {
  const code = wide(magic);
  patchConstant64(code, magic, 1n);
  expect(code).toEqual(wide(magic));
});

test('patchConstant64() does not touch a map reference that looks like the constant', () => {
  const code = Buffer.concat([wide(magic, 1), wide(magic), exit]);
  expect(patchConstant64(code, magic, 1n)).toEqual(Buffer.concat([wide(magic, 1), wide(1n), exit]));
});

test('patchConstant64() does not mistake the second half of a constant for an instruction', () => {
  const tricky = wide(0n);
  tricky.writeUInt8(0x18, 8);
  const code = Buffer.concat([tricky, wide(magic)]);
  expect(patchConstant64(code, magic, 2n)).toEqual(Buffer.concat([tricky, wide(2n)]));
});

test('patchConstant64() throws BPF_LOAD when the constant does not occur', () => {
  expect(() => patchConstant64(Buffer.concat([wide(1n), exit]), magic, 1n)).toThrow('the constant 0x1122334455667788 does not occur');
});

test('patchConstant64() throws BPF_LOAD when the last instruction is cut off', () => {
  expect(() => patchConstant64(wide(magic).subarray(0, 8), magic, 1n)).toThrow('cut off at byte 0');
});
