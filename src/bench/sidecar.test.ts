import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findExecutable } from '../lab/machine.ts';
import { envoySidecar, haproxyConfiguration, haproxySidecar } from './sidecar.ts';

const folder = mkdtempSync(join(tmpdir(), 'sidecar-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('haproxySidecar() makes a script that anybody may run, or says what to install', () => {
  if (findExecutable('haproxy') === null) {
    expect(() => haproxySidecar(folder)).toThrow(
      expect.objectContaining({ code: 'MACHINE_MISSING_PROGRAM', command: 'apt-get install haproxy' }),
    );
    return;
  }
  const { title, path } = haproxySidecar(folder);
  expect(title).toMatch(/^HAProxy \d/);
  expect(statSync(path).mode & 0o777).toBe(0o755);
  expect(readFileSync(path, 'utf8')).toContain(haproxyConfiguration);
});

test('envoySidecar() names the version that was installed', () => {
  expect(envoySidecar('/e')).toMatchObject({ title: expect.stringMatching(/^Envoy \d/), path: '/e', knowsServices: true });
});
