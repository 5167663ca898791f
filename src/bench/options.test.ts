import { describe, expect, it } from 'vitest';
import { UserError } from '../base/errors.ts';
import type { BenchWords } from './options.ts';
import { checkOptions, readWords } from './options.ts';

const words: BenchWords = {
  configs: 'none,iptables',
  policyRules: '10,1000',
  connections: '1,16',
  body: '0,64k',
  duration: '300ms',
  warmup: '0s',
  mtls: 'off',
  layout: 'one',
};

describe('readWords()', () => {
  it('reads lists, times and sizes when they are well-formed', () => {
    expect(readWords({ ...words, mtls: 'both', layout: 'both' })).toEqual({
      configurations: [
        { name: 'none', kind: 'none', rules: null },
        { name: 'iptables', kind: 'iptables', rules: null },
      ],
      connections: [1, 16],
      bodies: [0, 65_536],
      duration: 0.3,
      warmup: 0,
      mtls: ['off', 'on'],
      layouts: ['one CPU', 'spread'],
    });
  });

  it('makes one configuration per number of rules when policy is named', () => {
    expect(readWords({ ...words, configs: 'none, policy,none' }).configurations.map(({ name, rules }) => [name, rules])).toEqual([
      ['none', null],
      ['policy 10', 10],
      ['policy 1000', 1000],
    ]);
  });

  it.each([
    ['an unknown configuration', { configs: 'none,nftables' }, '--configs', 'direct+accelerate'],
    ['no configuration', { configs: ' , ' }, '--configs', 'none'],
    ['no connection', { connections: '0' }, '--connections', '1 to 1000'],
    ['a word for a number', { connections: '16,many' }, '--connections', '1 to 1000'],
    ['too large an answer', { body: '2m' }, '--body', '1048576'],
    ['a negative answer', { body: '-1' }, '--body', '1048576'],
    ['a time without a unit', { duration: '3' }, '--duration', '3s'],
    ['too short a run', { duration: '10ms' }, '--duration', '300ms'],
    ['too long a run', { duration: '61s' }, '--duration', '3s'],
    ['too many rules', { configs: 'policy', policyRules: '100001' }, '--policy-rules', '100000'],
  ])('refuses %s and says what is allowed', (_what, changed, option, allowed) => {
    const read = () => readWords({ ...words, ...changed });
    expect(read).toThrow(UserError);
    expect(read).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        exitCode: 2,
        message: expect.stringContaining(option),
        cure: expect.stringContaining(allowed),
      }),
    );
  });
});

describe('checkOptions()', () => {
  const options = {
    ...readWords(words),
    rounds: 1,
    newConnections: false,
    rate: null,
    stream: false,
    load: 'wrk',
    proxy: 'envoy',
  } as const;

  it('refuses wrk when a fixed rate or parts of a second are asked for', () => {
    expect(() => checkOptions({ ...options, duration: 1, rate: 100 })).toThrow(/--rate/);
    expect(() => checkOptions({ ...options, duration: 0.3 })).toThrow(/--duration/);
    expect(() => checkOptions({ ...options, duration: 1 })).not.toThrow();
    expect(() => checkOptions({ ...options, load: 'fortio', rate: 100 })).not.toThrow();
  });

  it('refuses HAProxy when mutual TLS is asked for', () => {
    expect(() => checkOptions({ ...options, duration: 1, proxy: 'haproxy', mtls: ['off', 'on'] })).toThrow(/--mtls/);
    expect(() => checkOptions({ ...options, duration: 1, proxy: 'haproxy' })).not.toThrow();
  });
});
