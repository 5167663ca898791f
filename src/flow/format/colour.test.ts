import { expect, it } from 'vitest';
import { plain } from './colour.ts';

it('plain.escape() makes sequences for terminals harmless, also those of one character', () => {
  expect(plain.escape('/a\u001b[2J\r\u009b31m\u009d0;title\u0007é')).toBe('/a^[[2J\\r\\x9b31m\\x9d0;title\u0007é');
});
