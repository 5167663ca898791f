#!/usr/bin/env node
// @ts-check
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { argv, exit, stderr, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { elfSection, parseBtf } from './abi/btf.mjs';
import { emitAbi } from './abi/emit.mjs';
import { findProgram, llvmNames } from './find-program.mjs';

const here = fileURLToPath(import.meta.url);
const root = dirname(dirname(here));

/**
 * Compiles a C file that has a variable of every shared type and writes its layouts as TypeScript.
 * @param {string} source path of the C file
 * @returns {Map<string, string>} contents by file name
 */
export function generateAbi(source) {
  const clang = findProgram(llvmNames('clang'));
  if (clang === null) throw new Error('Cannot generate the ABI because clang is missing: apt-get install clang');
  const directory = mkdtempSync(join(tmpdir(), 'millrace-abi-'));
  try {
    const object = join(directory, 'types.o');
    const include = `-I/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
    const { status, stderr: output } = spawnSync(
      clang,
      ['-O2', '-g', '-target', 'bpf', '-Wall', '-Werror', '-I', join(root, 'bpf'), include, '-c', source, '-o', object],
      {
        encoding: 'utf8',
      },
    );
    if (status !== 0) throw new Error(`Cannot compile ${source}:\n${output}`);
    return emitAbi(parseBtf(elfSection(readFileSync(object), '.BTF')));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * What differs between the generated files and those of a folder, in the manner of diff; empty when nothing does.
 * @param {Map<string, string>} wanted
 * @param {string} folder
 * @returns {string[]}
 */
export function differences(wanted, folder) {
  const present = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  const lines = present.filter((name) => !wanted.has(name)).map((name) => `${name}: should not be there`);
  for (const [name, content] of wanted) {
    const old = present.includes(name) ? readFileSync(join(folder, name), 'utf8') : '';
    if (old === content) continue;
    const oldLines = old.split('\n');
    const newLines = content.split('\n');
    lines.push(`${name}:`, ...oldLines.filter((line) => !newLines.includes(line)).map((line) => `- ${line}`));
    lines.push(...newLines.filter((line) => !oldLines.includes(line)).map((line) => `+ ${line}`));
  }
  return lines;
}

if (argv[1] !== undefined && argv[1] === here) {
  const folder = join(root, 'src/abi/gen');
  const files = generateAbi(join(root, 'bpf/abi/types.c'));
  mkdirSync(folder, { recursive: true });
  const changed = differences(files, folder);
  if (argv.includes('--check')) {
    if (changed.length > 0) {
      stderr.write(`src/abi/gen is not what bpf/abi says; run: npm run generate\n${changed.join('\n')}\n`);
      exit(1);
    }
  } else {
    for (const name of readdirSync(folder)) if (name.endsWith('.ts') && !files.has(name)) rmSync(join(folder, name));
    for (const [name, content] of files) writeFileSync(join(folder, name), content);
    stdout.write(`src/abi/gen: ${files.size} files${changed.length === 0 ? ', nothing changed' : ''}\n`);
  }
}
