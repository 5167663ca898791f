import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IpAddress } from './address.ts';
import { cidrContains, cidrOf, formatCidr, formatIp, isMapped, mapIp, parseCidr, parseCidrOrIp, parseIp, unmapIp } from './address.ts';

const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes): IpAddress => ({ family: 4, bytes: Uint8Array.from(bytes) }));
/** Zeros are frequent, so that runs of zero groups are. */
const v6 = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups): IpAddress => ({ family: 6, bytes: Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])) }));
const anyIp = fc.oneof(v4, v6);

function ip(text: string): IpAddress {
  const parsed = parseIp(text);
  if (parsed === null) throw new Error(`not an address: ${text}`);
  return parsed;
}

function cidr(text: string) {
  const parsed = parseCidr(text);
  if (parsed === null) throw new Error(`not a range: ${text}`);
  return parsed;
}

describe('addresses', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['::ffff:0a00:1', '::ffff:10.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
  ])('formatIp() is canonical when parseIp() read %s', (text, canonical) => {
    expect(formatIp(ip(text))).toBe(canonical);
  });

  it.each([
    '',
    ' 1.2.3.4',
    '1.2.3.4 ',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.',
    '0x1.2.3.4',
    '+1.2.3.4',
    '1.2.3.4\n',
    ':',
    ':::',
    '1:::2',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '12345::',
    'g::',
    '[::1]',
    '::1%eth0',
    '1.2.3.4::',
    '::1.2.3.4:1',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3',
    'fe80',
    `${'0'.repeat(100)}::`,
  ])('parseIp() answers null when it reads %j', (text) => {
    expect(parseIp(text)).toBeNull();
  });

  it('parseIp() gives back what formatIp() wrote, for every address', () => {
    fc.assert(
      fc.property(anyIp, (address) => void expect(parseIp(formatIp(address))).toEqual(address)),
      { numRuns: 2000 },
    );
  });

  it('formatIp() is the shortest text of RFC 5952: one ::, no run of two zeros left longer than it', () => {
    fc.assert(
      fc.property(v6, (address) => {
        const text = formatIp(address);
        expect(text).toBe(text.toLowerCase());
        expect(text.split('::').length).toBeLessThanOrEqual(2);
        if (!text.includes('::') && !isMapped(address)) expect(text).not.toMatch(/(^|:)0:0(:|$)/);
      }),
      { numRuns: 2000 },
    );
  });

  it('parseIp() agrees with the URL parser of the platform about IPv6', () => {
    fc.assert(
      fc.property(v6, (address) => {
        if (isMapped(address)) return;
        expect(new URL(`http://[${formatIp(address)}]/`).hostname).toBe(`[${formatIp(address)}]`);
      }),
    );
  });

  it('unmapIp() undoes mapIp() for IPv4 and leaves IPv6 alone', () => {
    fc.assert(fc.property(v4, (address) => void expect(unmapIp({ family: 6, bytes: mapIp(address) })).toEqual(address)));
    expect(formatIp(unmapIp(ip('2001:db8::1')))).toBe('2001:db8::1');
    expect(isMapped(ip('::fffe:10.0.0.1'))).toBe(false);
  });
});

describe('ranges', () => {
  it.each([
    ['127.0.0.1/8', '127.0.0.0/8'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['10.1.2.3/31', '10.1.2.2/31'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
    ['2001:db8::1/0', '::/0'],
    ['::ffff:10.1.2.3/104', '10.0.0.0/8'],
    ['::ffff:10.1.2.3/95', '::fffe:0:0/95'],
  ])('parseCidr() clears host bits of %s', (text, canonical) => {
    expect(formatCidr(cidr(text))).toBe(canonical);
  });

  it.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0/8',
    '10.0.0.0/8/8',
    '::/129',
    '/8',
    '10.0.0.0/255.0.0.0',
    '*',
    '10.0.0.0/8 ',
  ])('parseCidr() answers null when it reads %j', (text) => {
    expect(parseCidr(text)).toBeNull();
  });

  it('parseCidrOrIp() takes a bare address for the range of it alone', () => {
    expect(parseCidrOrIp('10.0.0.1')).toEqual(cidr('10.0.0.1/32'));
    expect(parseCidrOrIp('::1')).toEqual(cidr('::1/128'));
    expect(parseCidrOrIp('::ffff:10.0.0.1')).toEqual(cidr('10.0.0.1/32'));
    expect(parseCidrOrIp('x')).toBeNull();
  });

  it('cidrContains() agrees with a comparison of bits', () => {
    const bits = (address: IpAddress) => Array.from(address.bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
    fc.assert(
      fc.property(v4, v4, fc.nat(32), (network, address, prefix) => {
        const expected = bits(network).slice(0, prefix) === bits(address).slice(0, prefix);
        expect(cidrContains(cidrOf(network, prefix), address)).toBe(expected);
        expect(cidrContains(cidrOf(network, prefix), { family: 6, bytes: mapIp(address) })).toBe(expected);
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(v6, fc.nat(128), fc.nat(127), (network, prefix, flipped) => {
        const bytes = network.bytes.slice();
        bytes[flipped >> 3] = (bytes[flipped >> 3] ?? 0) ^ (0x80 >> (flipped & 7));
        const address: IpAddress = { family: 6, bytes };
        if (isMapped(address)) return;
        expect(cidrContains(cidrOf(network, prefix), address)).toBe(flipped >= prefix);
      }),
      { numRuns: 1000 },
    );
  });

  it('cidrContains() keeps the families apart: ::/0 holds no IPv4', () => {
    expect(cidrContains(cidr('::/0'), ip('10.0.0.1'))).toBe(false);
    expect(cidrContains(cidr('::/0'), ip('::ffff:10.0.0.1'))).toBe(false);
    expect(cidrContains(cidr('0.0.0.0/0'), ip('::1'))).toBe(false);
  });

  it('formatCidr() is a fixed point of parseCidr()', () => {
    fc.assert(
      fc.property(anyIp, fc.nat(128), (address, prefix) => {
        const range = cidrOf(address, Math.min(prefix, address.bytes.length * 8));
        if (isMapped({ family: range.family, bytes: range.address }) && range.prefix >= 96) return;
        expect(parseCidr(formatCidr(range))).toEqual(range);
      }),
    );
  });
});
