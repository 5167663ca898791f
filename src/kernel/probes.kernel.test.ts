import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { objectIds } from './bpf-objects.ts';
import { findCgroup2 } from './cgroup.ts';
import { knowsHelper, knowsProgram } from './probe-programs.ts';
import { missingRequirements, runProbes } from './probes.ts';

test('runProbes() finds every requirement on a machine that runs these tests', async () => {
  const results = await runProbes();
  expect(missingRequirements(results)).toEqual([]);
  expect(results.filter((result) => result.required && result.answer.kind === 'unknown')).toEqual([]);
  expect(new Set(results.map((result) => result.name)).size).toBe(results.length);
});

test('runProbes() leaves nothing behind', async () => {
  const state = (): unknown => ({
    links: [...objectIds('link')],
    maps: [...objectIds('map')].length,
    cgroups: readdirSync(findCgroup2()).filter((name) => name.startsWith('millrace-probe')),
    descriptors: readdirSync('/proc/self/fd').length,
  });
  await runProbes();
  const before = state();
  await runProbes();
  await expect.poll(state).toEqual(before);
});

test('runProbes() stops when the signal aborts', async () => {
  await expect(runProbes({ signal: AbortSignal.abort() })).rejects.toThrow();
});

test('runProbes() finds tools on the search path only', async () => {
  const results = await runProbes({ environment: { PATH: '/nowhere' } });
  // the sbin folders are always searched
  expect(results.find((result) => result.name === 'iptables')?.answer.kind).toBe('yes');
});

test('knowsProgram() answers no when the attach type does not belong to the program type', () => {
  expect(knowsProgram('CGROUP_SOCK_ADDR', 'CGROUP_INET4_CONNECT')).toBe(true);
  expect(knowsProgram('CGROUP_SOCK_ADDR', 'SK_LOOKUP')).toBe(false);
});

test('knowsHelper() tells a helper that is allowed, one that is not, and one that does not exist', () => {
  const netnsCookie = 122;
  const msgRedirectHash = 71;
  expect(knowsHelper(netnsCookie, 'SOCK_OPS', 'CGROUP_SOCK_OPS')).toBe(true);
  expect(knowsHelper(msgRedirectHash, 'SK_MSG', 'SK_MSG_VERDICT')).toBe(true);
  expect(knowsHelper(msgRedirectHash, 'SOCK_OPS', 'CGROUP_SOCK_OPS')).toBe(false);
  expect(knowsHelper(99_999, 'SOCK_OPS', 'CGROUP_SOCK_OPS')).toBe(false);
});
