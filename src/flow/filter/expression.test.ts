import { describe, expect, it } from 'vitest';
import { expressionMatcher } from './expression.ts';

describe('expressionMatcher()', () => {
  it.each([
    ['/api/v[12]/.*', '/api/v2/users', true],
    ['^/(users|orders)/\\d+$', '/orders/17', true],
    ['^/a.*/b.*/c.*$', '/a1/b2/c3', true],
    ['^/a.*/b.*/c.*$', '/a1/c3', false],
    ['colou?r', '/color', true],
  ])('finds by %s in %s: %s', (pattern, text, found) => {
    expect(expressionMatcher('http_path', ['^nothing$', pattern])(text)).toBe(found);
  });

  it.each(['.*.*.*.*.*=', 'a*a*a*b', '(a?){50}b', '(?:a?a?){30}b', '(a+)\\1+\\1+b'])('does not occupy the process by %s', (pattern) => {
    const started = performance.now();
    const ask = () => expressionMatcher('http_path', [pattern])('a'.repeat(2048));
    expect(ask).toThrow(expect.objectContaining({ code: 'FILTER_INVALID' }));
    expect(performance.now() - started).toBeLessThan(500);
  });

  it.each(['a*b', '.*=', 'x|a+b', '[a-z]{1,}9'])('is done in time by %s, which it does not watch', (pattern) => {
    const started = performance.now();
    expect(expressionMatcher('http_path', [pattern])('a'.repeat(2048))).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });

  it('takes a bounded number of expressions', () => {
    expect(() => expressionMatcher('http_path', Array.from({ length: 33 }, String))).toThrow(/more than 32/);
  });
});
