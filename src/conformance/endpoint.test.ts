import { describe, expect, it } from 'vitest';
import { endpoint, endpointText, endpointTextWith, plainAddress, socketFamily, unmapped } from './endpoint.ts';
import { comparedText, spreadText } from './listener.ts';
import { isPodLocal, placeOf } from './topology.ts';

describe('endpoint()', () => {
  it.each(['10.9.0.2:8080', '[::1]:53', '[::ffff:10.96.0.10]:53', '0.0.0.0:0'])(
    'reads what endpointText() writes when it is %s',
    (text) => {
      expect(endpointText(endpoint(text))).toBe(text);
    },
  );

  it.each(['10.9.0.2', '::1:80', '[10.9.0.2', 'host:80'])('throws when the text is %s', (text) => {
    expect(() => endpoint(text)).toThrow('no endpoint');
  });
});

describe('addresses as text', () => {
  it('endpointTextWith() puts a word in place of the port', () => {
    expect(endpointTextWith(endpoint('10.9.0.2:8080'), '*')).toBe('10.9.0.2:*');
    expect(endpointText(null)).toBe('none');
  });

  it('comparedText() tells whether the port is the client’s', () => {
    expect(comparedText(endpoint('10.9.0.2:8080'), 8080)).toBe('10.9.0.2:same');
    expect(comparedText(endpoint('[::1]:8080'), 8081)).toBe('[::1]:other');
  });

  it('plainAddress(), unmapped() and socketFamily() know mapped addresses', () => {
    expect(plainAddress('[::ffff:10.9.0.2]:80')).toBe('10.9.0.2');
    expect(unmapped('[::ffff:10.9.0.2]:80')).toBe('10.9.0.2:80');
    expect(unmapped('[fd00::1]:80')).toBe('[fd00::1]:80');
    expect(socketFamily('[::ffff:10.9.0.2]:80')).toBe(6);
  });

  it.each([
    ['127.0.0.1:15001', '127.0.0.1:15001'],
    ['127.127.255.255:15001', '127.127.255.255:15001'],
    ['127.128.0.0:15001', '127.128.0.0/9:15001'],
    ['127.199.3.4:15001', '127.128.0.0/9:15001'],
    ['127.255.255.255:15006', '127.128.0.0/9:15006'],
    ['[::ffff:127.200.0.1]:15001', '[::ffff:127.128.0.0/9]:15001'],
    ['[fd6d:696c:6c72:6163:1:2:3:4]:15001', '[fd6d:696c:6c72:6163::/64]:15001'],
    ['[fd6d:696c:6c72:6164::4]:15001', '[fd6d:696c:6c72:6164::4]:15001'],
  ])('spreadText() shows %s as %s', (text, shown) => {
    expect(spreadText(endpoint(text))).toBe(shown);
  });
});

describe('the network', () => {
  it.each([
    ['10.9.0.22:80', 'pod'],
    ['127.1.2.3:80', 'pod'],
    ['[::6]:80', 'pod'],
    ['[::ffff:10.9.0.2]:80', 'pod'],
    ['10.8.0.1:80', 'side'],
    ['[fd00:8::1]:80', 'side'],
    ['10.8.0.2:80', 'pod'],
    ['10.96.5.5:80', 'outside'],
  ])('placeOf() finds %s in %s', (to, place) => {
    expect(placeOf(to)).toBe(place);
    expect(isPodLocal(to)).toBe(place === 'pod');
  });
});
