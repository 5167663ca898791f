import { expect, test } from 'vitest';
import { missingCapabilities } from './capabilities.ts';

test('missingCapabilities() takes CAP_SYS_ADMIN for CAP_BPF and CAP_PERFMON', () => {
  expect(missingCapabilities('CapEff:\t000001ffffffffff\n')).toEqual([]);
  const adminNetPtrace = ((1n << 21n) | (1n << 12n) | (1n << 19n)).toString(16).padStart(16, '0');
  expect(missingCapabilities(`CapPrm:\t0\nCapEff:\t${adminNetPtrace}\n`)).toEqual([]);
  expect(missingCapabilities('CapEff:\t0000000000000000\n')).toEqual([
    'CAP_NET_ADMIN',
    'CAP_SYS_PTRACE',
    'CAP_SYS_ADMIN',
    'CAP_PERFMON',
    'CAP_BPF',
  ]);
});
