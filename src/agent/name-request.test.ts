import { describe, expect, it } from 'vitest';
import { parseNameAnswer } from './name-request.ts';

const answer = { name: 'API.Example.com.', addresses: ['::ffff:203.0.113.1', '2001:DB8:0::1'], ttl: 5 };

describe('parseNameAnswer()', () => {
  it('reads names without case and last dot, and addresses as they are written elsewhere', () => {
    expect(parseNameAnswer(answer)).toEqual({ name: 'api.example.com', addresses: ['203.0.113.1', '2001:db8::1'], ttl: 5 });
  });

  it.each([
    [{ ...answer, name: '.' }, 'name'],
    [{ ...answer, name: 'a b' }, 'name'],
    [{ ...answer, name: `${'a'.repeat(254)}` }, 'name'],
    [{ ...answer, addresses: ['api'] }, 'addresses.0'],
    [{ ...answer, addresses: new Array(4097).fill('203.0.113.1') }, 'addresses'],
    [{ ...answer, ttl: -1 }, 'ttl'],
    [{ ...answer, more: 1 }, 'body'],
    [null, 'body'],
  ])('refuses what it cannot take, and names the field (%#)', (body, field) => {
    expect(() => parseNameAnswer(body)).toThrow(`Cannot learn a name because the request is wrong: ${field}:`);
  });
});
