#!/usr/bin/env node
// @ts-check
// Formats the C of the kernel side and of the torture suite (--write), or says which files are not formatted (--check, the default).
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from './find-program.mjs';

/** Other versions break lines in other places; this one is Debian 12's. */
const wanted = 14;

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * clang-format of the wanted version, or null.
 * @returns {string | null}
 */
function findFormatter() {
  for (const name of [`clang-format-${wanted}`, 'clang-format']) {
    const path = findProgram([name]);
    if (path !== null && spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout.includes(`version ${wanted}.`)) return path;
  }
  return null;
}

const formatter = findFormatter();
const files = ['bpf', 'self-test', 'torture']
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
  .filter((name) => /\.[ch]$/.test(name))
  .sort();

if (formatter === null) {
  process.stderr.write(
    `clang-format ${wanted} is not installed: the format of the C files is not checked (apt-get install clang-format-${wanted})\n`,
  );
} else if (files.length > 0) {
  const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror'];
  const { status } = spawnSync(formatter, [...mode, '--style=file', ...files], { cwd: root, stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
