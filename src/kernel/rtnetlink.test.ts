import { expect, test } from 'vitest';
import { dumpRequest, readNetlink } from './rtnetlink.ts';

function message(type: number, body: Buffer, flags = 2): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  return Buffer.concat([header, body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
}

function attribute(type: number, value: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16LE(4 + value.length, 0);
  header.writeUInt16LE(type, 2);
  return Buffer.concat([header, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
}

const ifaddr = (family: number, prefix: number, index: number): Buffer => Buffer.from([family, prefix, 0x80, 0, index, 0, 0, 0]);

test('dumpRequest() asks for everything when it asks for addresses', () => {
  expect(dumpRequest('addresses', 5).toString('hex')).toBe('180000001600010305000000000000000000000000000000');
});

test('readNetlink() reads an address and the name of its interface', () => {
  const link = Buffer.alloc(16);
  link.writeInt32LE(4, 4);
  const datagram = Buffer.concat([
    message(16, Buffer.concat([link, attribute(3, Buffer.from('eth0\0'))])),
    message(20, Buffer.concat([ifaddr(2, 24, 4), attribute(1, Buffer.from([10, 0, 0, 9])), attribute(2, Buffer.from([10, 0, 0, 1]))])),
    message(3, Buffer.alloc(4)),
  ]);
  expect(readNetlink(datagram)).toEqual([
    { kind: 'interface', index: 4, name: 'eth0' },
    // the local address, not the peer's
    { kind: 'address', index: 4, address: Uint8Array.of(10, 0, 0, 1), prefix: 24, flags: 0x80 },
    { kind: 'done' },
  ]);
});

test('readNetlink() takes IFA_ADDRESS when there is no local one, as for IPv6', () => {
  const address = Buffer.alloc(16, 7);
  const [found] = readNetlink(message(20, Buffer.concat([ifaddr(10, 64, 2), attribute(1, address)])));
  expect(found).toEqual({ kind: 'address', index: 2, address: Uint8Array.from(address), prefix: 64, flags: 0x80 });
});

test('readNetlink() reports errors as positive errnos and interrupted dumps', () => {
  const error = Buffer.alloc(20);
  error.writeInt32LE(-1, 0);
  expect(readNetlink(message(2, error))).toEqual([{ kind: 'error', errno: 1 }]);
  expect(readNetlink(message(3, Buffer.alloc(4), 0x12))).toEqual([{ kind: 'interrupted' }, { kind: 'done' }]);
});

test('readNetlink() stops quietly when a message is cut off or claims an impossible length', () => {
  const whole = message(3, Buffer.alloc(4));
  expect(readNetlink(whole.subarray(0, 18))).toEqual([]);
  whole.writeUInt32LE(3, 0);
  expect(readNetlink(whole)).toEqual([]);
});
