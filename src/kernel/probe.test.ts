import { expect, test } from 'vitest';
import { UserError } from '../base/errors.ts';
import { runProbe } from './probe.ts';
import { missingRequirements } from './probes.ts';
import { SysError } from './sys-error.ts';

const probe = { name: 'thing', required: true, cost: 'it costs', cure: 'get it' };
const thrower = (error: unknown) => (): boolean => {
  throw error;
};

test('runProbe() answers yes or no when the attempt can tell', () => {
  expect(runProbe({ ...probe, try: () => true }).answer).toEqual({ kind: 'yes' });
  expect(runProbe({ ...probe, try: () => false }).answer).toEqual({ kind: 'no', cost: 'it costs', cure: 'get it' });
});

test('runProbe() answers unknown when rights are missing, not no', () => {
  expect(runProbe({ ...probe, try: thrower(new SysError('bpf(PROG_LOAD)', 1)) }).answer).toEqual({
    kind: 'unknown',
    why: 'the kernel does not let this user ask (EPERM): run it as root',
  });
});

test('runProbe() answers unknown with the reason when the attempt itself fails', () => {
  expect(runProbe({ ...probe, try: thrower(new SysError('mount', 30)) }).answer).toEqual({
    kind: 'unknown',
    why: 'mount failed with EROFS',
  });
  expect(runProbe({ ...probe, try: thrower(new Error('odd')) }).answer).toEqual({ kind: 'unknown', why: 'odd' });
});

test('runProbe() answers no with the cure of the error when a library is missing', () => {
  const error = new UserError('LIBRARY_MISSING', 'no libbpf', { cure: 'install it' });
  expect(runProbe({ ...probe, try: thrower(error) }).answer).toEqual({ kind: 'no', cost: 'it costs', cure: 'install it' });
});

test('missingRequirements() lists what is required and missing, not what is unknown or optional', () => {
  const results = [
    runProbe({ ...probe, name: 'a', try: () => false }),
    runProbe({ ...probe, name: 'b', required: false, try: () => false }),
    runProbe({ ...probe, name: 'c', try: thrower(new Error('?')) }),
    runProbe({ ...probe, name: 'd', try: () => true }),
  ];
  expect(missingRequirements(results).map((result) => result.name)).toEqual(['a']);
});
