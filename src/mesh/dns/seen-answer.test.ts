import { encode } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { readAnswer } from './seen-answer.ts';

const question = (name: string, type: 'A' | 'AAAA' = 'A') => encode({ type: 'query', id: 7, flags: 0x0100, questions: [{ name, type }] });

describe('readAnswer()', () => {
  it('tells what was asked and every address, name and kind of record of the answer', () => {
    const response = encode({
      type: 'response',
      id: 7,
      questions: [{ name: 'www.example.com', type: 'A' }],
      answers: [
        { name: 'www.example.com', type: 'CNAME', ttl: 60, data: 'edge.example.net' },
        { name: 'edge.example.net', type: 'A', ttl: 30, data: '203.0.113.7' },
      ],
    });
    expect(readAnswer(question('www.Example.com'), response)).toEqual({
      query: 'www.Example.com.',
      type: 'A',
      code: 0,
      addresses: ['203.0.113.7'],
      names: ['edge.example.net.'],
      types: ['CNAME', 'A'],
      ttl: 30,
    });
  });

  it('tells a name that does not exist by its code', () => {
    const response = encode({ type: 'response', id: 7, flags: 3, questions: [{ name: 'x', type: 'AAAA' }] });
    expect(readAnswer(question('x', 'AAAA'), response)).toMatchObject({ query: 'x.', type: 'AAAA', code: 3, addresses: [], ttl: 0 });
  });

  it('writes bytes that a terminal would obey as numbers', () => {
    const read = readAnswer(question('a\u001b[2J\n"b'), Buffer.alloc(12));
    expect(read?.query).toBe('a\\27[2J\\10\\034b.');
  });

  it('says nothing of what is no question, and takes any bytes for an answer', () => {
    expect(readAnswer(Buffer.from('short'), Buffer.alloc(12))).toBeNull();
    expect(readAnswer(question('x'), Buffer.from('not a message'))).toMatchObject({ query: 'x.', addresses: [] });
  });
});
