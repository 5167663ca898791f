import { describe, expect, it } from 'vitest';
import type { ProbeResult } from '../kernel/index.ts';
import { chooseBackend } from './choose-backend.ts';

const probe = (name: string, kind: 'yes' | 'no' | 'unknown', required = true): ProbeResult => ({
  name,
  required,
  cost: `no ${name}`,
  cure: 'a newer kernel',
  answer: kind === 'yes' ? { kind } : kind === 'no' ? { kind, cost: '', cure: '' } : { kind, why: 'no rights' },
});

const all = ['program cgroup/connect4', 'program sk_lookup', 'program cgroup/bind4', 'program cgroup/bind6'];
const without = (...missing: readonly string[]) => all.map((name) => probe(name, missing.includes(name) ? 'no' : 'yes'));

describe('chooseBackend()', () => {
  it.each([
    ['everything is there', without(), 'sk_lookup', /everything/],
    ['sk_lookup is missing', without('program sk_lookup'), 'bind', /program sk_lookup is missing: no program sk_lookup/],
    [
      'sk_lookup and bind are missing',
      without('program sk_lookup', 'program cgroup/bind4'),
      'iptables',
      /program sk_lookup and program cgroup\/bind4 are missing/,
    ],
    ['connect is missing', without('program cgroup/connect4'), 'iptables', /program cgroup\/connect4 is missing/],
    ['bind alone is missing', without('program cgroup/bind4'), 'sk_lookup', /everything/],
    ['a probe could not tell', [probe('program sk_lookup', 'unknown')], 'sk_lookup', /everything/],
    ['something that is not needed is missing', [...without(), probe('nft', 'no', false)], 'sk_lookup', /everything/],
  ])('picks the best when %s, and says why', (_what, results, backend, reason) => {
    expect(chooseBackend(results)).toEqual({ backend, reason: expect.stringMatching(reason) });
  });
});
