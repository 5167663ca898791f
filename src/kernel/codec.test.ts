import { expect, test } from 'vitest';
import { bytes, mapCodec, u32, u64 } from './codec.ts';

test('mapCodec() writes and reads keys and values little endian', () => {
  const codec = mapCodec(u32, u64);
  const view = new DataView(new ArrayBuffer(8));
  codec.writeKey(0x01020304, view);
  expect(view.getUint8(0)).toBe(4);
  expect(codec.readKey(view)).toBe(0x01020304);
  codec.writeValue(2n ** 63n, view);
  expect(codec.readValue(view)).toBe(2n ** 63n);
});

test('bytes() copies when it reads, so that the view may be reused', () => {
  const view = new DataView(new ArrayBuffer(4));
  const field = bytes(4);
  field.write(view, 0, Uint8Array.of(1, 2, 3, 4));
  const read = field.read(view, 0);
  view.setUint32(0, 0);
  expect(read).toEqual(Uint8Array.of(1, 2, 3, 4));
});

test('bytes() throws RangeError when the length differs', () => {
  expect(() => bytes(4).write(new DataView(new ArrayBuffer(4)), 0, new Uint8Array(3))).toThrow(RangeError);
});
