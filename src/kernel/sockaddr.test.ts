import { expect, test } from 'vitest';
import { decodeSockaddr, encodeSockaddr } from './sockaddr.ts';

test('encodeSockaddr() writes sockaddr_in with port and address in network order', () => {
  expect(encodeSockaddr({ address: Uint8Array.of(10, 1, 2, 3), port: 0x1234 }).toString('hex')).toBe('020012340a0102030000000000000000');
});

test('encodeSockaddr() writes sockaddr_in6 with the scope in host order', () => {
  const address = new Uint8Array(16);
  address[0] = 0xfe;
  address[15] = 1;
  const bytes = encodeSockaddr({ address, port: 80, scope: 3 });
  expect(bytes.toString('hex')).toBe(`0a00005000000000fe${'00'.repeat(14)}0103000000`);
});

test.each([
  { address: Uint8Array.of(127, 0, 0, 1), port: 65535 },
  { address: new Uint8Array(16).fill(0xab), port: 0 },
  { address: new Uint8Array(16).fill(1), port: 1, scope: 7 },
])('decodeSockaddr() gives back what encodeSockaddr() wrote when the value is %o', (value) => {
  expect(decodeSockaddr(encodeSockaddr(value))).toEqual(value);
});

test('decodeSockaddr() answers null when the family is another or bytes are missing', () => {
  expect(decodeSockaddr(Uint8Array.of(1, 0, 47, 120))).toBeNull();
  expect(decodeSockaddr(Uint8Array.of(2, 0, 0))).toBeNull();
  expect(decodeSockaddr(new Uint8Array(0))).toBeNull();
});

test('encodeSockaddr() throws RangeError when the address or port is out of range', () => {
  expect(() => encodeSockaddr({ address: new Uint8Array(5), port: 1 })).toThrow(RangeError);
  expect(() => encodeSockaddr({ address: new Uint8Array(4), port: 65536 })).toThrow(RangeError);
});
