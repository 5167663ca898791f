import { expect, test } from 'vitest';
import { MillraceError, UserError } from '../base/errors.ts';
import { loadLibrary } from './ffi.ts';
import { errnoName, isSysError, SysError } from './sys-error.ts';

test('errnoName() names what libc and the kernel name', () => {
  expect([2, 11, 524, 4095].map(errnoName)).toEqual(['ENOENT', 'EAGAIN', 'ENOTSUPP', 'E4095']);
});

test('SysError names the call and the errno when it is printed', () => {
  const error = new SysError('open /nowhere', 2);
  expect(error).toBeInstanceOf(MillraceError);
  expect(error.code).toBe('SYS');
  expect(error.errno).toBe('ENOENT');
  expect(error.message).toBe('Cannot complete open /nowhere because the kernel said ENOENT: no such file or directory');
});

test('isSysError() tells one errno from another', () => {
  expect(isSysError(new SysError('x', 2), 'EPERM', 'ENOENT')).toBe(true);
  expect(isSysError(new SysError('x', 2), 'EPERM')).toBe(false);
  expect(isSysError(new Error('ENOENT'), 'ENOENT')).toBe(false);
});

test('loadLibrary() names the library, the package and exit code 3 when the library is missing', () => {
  let caught: unknown;
  try {
    loadLibrary('libmillrace-nowhere.so.1', 'libnowhere1');
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(UserError);
  expect(caught).toMatchObject({ code: 'LIBRARY_MISSING', exitCode: 3, command: 'apt-get install libnowhere1' });
  expect(String(caught)).toContain('libmillrace-nowhere.so.1');
});
