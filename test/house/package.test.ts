import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/base/project.ts';

interface LockEntry {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const readJson = (path: string) => JSON.parse(readFileSync(join(projectRoot(), path), 'utf8'));

describe('package.json', () => {
  it('pins every dependency exactly', () => {
    const { dependencies, devDependencies } = readJson('package.json');
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)));
    expect(loose).toEqual([]);
  });
});

describe('package-lock.json', () => {
  const packages: Readonly<Record<string, LockEntry>> = readJson('package-lock.json').packages;

  it('names no registry', () => {
    expect(Object.entries(packages).flatMap(([path, entry]) => (entry.resolved === undefined ? [] : [path]))).toEqual([]);
  });

  it('names every optional package, so that npm ci asks no registry for what other systems need', () => {
    const missing = Object.values(packages)
      .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
      .filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)));
    expect(missing).toEqual([]);
  });

  it('has a checksum for everything that is not optional', () => {
    const unchecked = Object.entries(packages).filter(
      ([path, entry]) => path !== '' && entry.optional !== true && entry.integrity === undefined,
    );
    expect(unchecked).toEqual([]);
  });
});
