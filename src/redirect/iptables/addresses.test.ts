import { describe, expect, test } from 'vitest';
import { formatCidr, isLoopbackCidr, parseAddress, parseCidr, splitList } from './addresses.ts';

function canonical(text: string): string | null {
  const cidr = parseCidr(text);
  return cidr === null ? null : formatCidr(cidr);
}

describe('parseCidr()', () => {
  test.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['127.0.0.1/32', '127.0.0.1/32'],
    ['10.255.255.255/13', '10.248.0.0/13'],
    ['::6/128', '::6/128'],
    ['2001:DB8:0:0:1::/64', '2001:db8::/64'],
    ['2001:db8:0:1:0:0:0:1/128', '2001:db8:0:1::1/128'],
    ['1:0:0:2:3:4:5:6/128', '1::2:3:4:5:6/128'],
    ['1:0:2:3:4:5:6:7/128', '1:0:2:3:4:5:6:7/128'],
    ['::ffff:10.0.0.1/128', '::ffff:a00:1/128'],
    ['::/0', '::/0'],
  ])('gives %s as %s', (text, expected) => expect(canonical(text)).toBe(expected));

  test.each([
    '10.0.0.0',
    '10.0.0/8',
    '10.0.0.256/8',
    '01.0.0.0/8',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '1::2::3/64',
    '::/129',
    '1:2:3:4:5:6:7/64',
    '1:2:3:4:5:6:7:8::/64',
    'fe80::1%lo/64',
    'g::/8',
    '/8',
    '',
  ])('refuses %j', (text) => expect(canonical(text)).toBeNull());
});

describe('parseAddress()', () => {
  test('gives the bytes of either family', () => {
    expect(parseAddress('127.0.0.53')).toEqual(Uint8Array.of(127, 0, 0, 53));
    expect(parseAddress('::1')).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
  });
});

describe('isLoopbackCidr()', () => {
  test.each([
    ['127.1.2.3/32', true],
    ['::1/128', true],
    ['126.0.0.0/8', false],
    ['::2/128', false],
    ['0.0.0.0/0', false],
  ])('says of %s: %s', (text, expected) => {
    const cidr = parseCidr(text);
    expect(cidr === null ? null : isLoopbackCidr(cidr)).toBe(expected);
  });
});

describe('splitList()', () => {
  test('trims items and ignores empty ones', () => expect(splitList(' a, b,,c,')).toEqual(['a', 'b', 'c']));
});
