#!/usr/bin/env node
// @ts-check
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { argv, exit, pid, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { bpfCompilerFlags } from './bpf-compiler.mjs';
import { findProgram, llvmNames } from './find-program.mjs';

const here = fileURLToPath(import.meta.url);

/** A build that failed for a reason the developer can read; the compiler has already said which. */
export class BuildError extends Error {}

/**
 * A fingerprint of files: names, sizes and times of change; no content is read, so that "nothing to do" takes milliseconds.
 * @param {string} root
 * @param {readonly string[]} paths files and folders below `root`
 * @param {(path: string) => boolean} [wanted]
 */
export function fingerprint(root, paths, wanted = () => true) {
  const hash = createHash('sha256');
  for (const path of paths) {
    for (const file of filesBelow(join(root, path))) {
      if (!wanted(file)) continue;
      const { size, mtimeMs } = statSync(file);
      hash.update(`${relative(root, file)} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}

/**
 * @param {string} path
 * @returns {string[]} sorted; empty where there is nothing
 */
function filesBelow(path) {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

/**
 * Writes beside and renames, so that a reader never sees half a file.
 * @param {string} path
 * @param {string | Uint8Array} content
 */
function writeWhole(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}

const scriptInputs = ['src', 'package.json', 'tsconfig.json', 'tools/build.mjs', 'tools/envoy.json'];
const benchmarkInputs = ['src', 'bench', 'test/support', 'package.json', 'tsconfig.json', 'tools'];
const tortureInputs = ['torture', 'tools/build.mjs'];
const selfTestInputs = ['self-test', 'tools/build.mjs'];
const kernelInputs = ['bpf', 'tools/build.mjs', 'tools/bpf-compiler.mjs'];
/** @param {string} path */
const isProgramSource = (path) => !path.endsWith('.test.ts');
/** The programs that measure, each one file: they are for developers, and start without anything that a command needs. */
const benchmarks = ['agent', 'connect', 'flows', 'policy', 'program-sizes', 'storm'];
/** A chunk that a running agent may still load lazily outlives the build that replaced it by this many milliseconds. */
const oldChunkLifetime = 24 * 3600 * 1000;

/** What every bundle has in common: an ES module for Node 20, with its source map, in memory. */
const bundle = /** @type {const} */ ({
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: true,
  write: false,
  logLevel: 'silent',
});

/**
 * Bundles src/cli/main.ts and what it loads lazily into dist/; packages stay outside. The lab's httpbin is one file of its own, and .mjs, because
 * it runs inside pods, where neither our package.json nor our packages are.
 * @param {string} root
 */
async function buildScripts(root) {
  const { build } = await import('esbuild');
  const results = await Promise.all([
    build({
      ...bundle,
      absWorkingDir: root,
      entryPoints: ['src/cli/main.ts'],
      outdir: 'dist',
      splitting: true,
      chunkNames: 'chunks/[name]-[hash]',
    }),
    build({ ...bundle, absWorkingDir: root, entryPoints: ['src/lab/httpbin/main.ts'], outfile: 'dist/httpbin.mjs' }),
    build({ ...bundle, absWorkingDir: root, entryPoints: ['src/lab/broker/main.ts'], outfile: 'dist/broker.mjs' }),
    build({ ...bundle, absWorkingDir: root, entryPoints: ['src/torture/speaker/main.ts'], outfile: 'dist/torture-speaker.mjs' }),
  ]).catch((/** @type {unknown} */ error) => {
    throw new BuildError(error instanceof Error ? error.message : String(error));
  });
  // The entry last: whoever starts meanwhile gets the old program or the new one, each with all of its chunks.
  const files = results
    .flatMap((result) => result.outputFiles)
    .sort((a, b) => Number(basename(a.path).startsWith('main.')) - Number(basename(b.path).startsWith('main.')));
  for (const file of files) writeWhole(file.path, file.contents);
  const fresh = new Set(files.map((file) => file.path));
  for (const file of filesBelow(join(root, 'dist/chunks'))) {
    if (!fresh.has(file) && Date.now() - statSync(file).mtimeMs > oldChunkLifetime) rmSync(file, { force: true });
  }
}

/** @param {string} root */
async function buildBenchmarks(root) {
  const { build } = await import('esbuild');
  const results = await Promise.all(
    benchmarks.map((name) =>
      build({ ...bundle, absWorkingDir: root, entryPoints: [`bench/${name}/main.ts`], outfile: `dist/bench-${name}.mjs` }),
    ),
  ).catch((/** @type {unknown} */ error) => {
    throw new BuildError(error instanceof Error ? error.message : String(error));
  });
  for (const { path, contents } of results.flatMap((result) => result.outputFiles)) writeWhole(path, contents);
}

/**
 * Compiles one C file to a BPF object with BTF and without DWARF.
 * @param {string} root
 * @param {string} source relative to `root`
 * @param {string} output relative to `root`
 * @param {readonly string[]} [defines] what is different in this build
 */
function compileKernelObject(root, source, output, defines = []) {
  const clang = findProgram(llvmNames('clang'));
  const strip = findProgram(llvmNames('llvm-strip'));
  if (clang === null || strip === null)
    throw new BuildError(`cannot compile ${source} because ${clang === null ? 'clang' : 'llvm-strip'} is missing: run npm run setup`);
  const target = join(root, output);
  const temporary = `${target}.${pid}.tmp`;
  mkdirSync(dirname(target), { recursive: true });
  try {
    run(root, clang, [...bpfCompilerFlags, ...defines, '-c', source, '-o', temporary]);
    run(root, strip, ['-g', temporary]);
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * @param {string} root
 * @param {string} program
 * @param {string[]} args
 */
function run(root, program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error !== undefined) throw new BuildError(`cannot run ${program}: ${error.message}`);
  if (status !== 0) throw new BuildError(`${basename(program)} failed with exit code ${status}: see the messages above`);
}

/**
 * A program of the machine itself, from the C files of a folder, to dist/ under the folder's name: what plays both ends of a torture case, and
 * of the agent's self-test. C, because Node's sockets would hide what is looked for.
 * @param {string} root
 * @param {string} folder
 */
function buildProgram(root, folder) {
  const clang = findProgram(llvmNames('clang'));
  if (clang === null) throw new BuildError(`cannot compile ${folder}/ because clang is missing: run npm run setup`);
  const sources = filesBelow(join(root, folder)).filter((path) => path.endsWith('.c'));
  const temporary = join(root, `dist/${folder}.${pid}.tmp`);
  mkdirSync(join(root, 'dist'), { recursive: true });
  try {
    run(root, clang, ['-O2', '-Wall', '-Wextra', '-D_GNU_SOURCE', ...sources, '-o', temporary, '-lpthread']);
    renameSync(temporary, join(root, 'dist', folder));
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** @param {string} root */
function buildKernelObjects(root) {
  compileKernelObject(root, 'bpf/millrace.bpf.c', 'dist/bpf/millrace.bpf.o');
  // never attached to a pod: the torture suite must fail with it
  compileKernelObject(root, 'bpf/millrace.bpf.c', 'dist/bpf/millrace-naive.bpf.o', ['-DMR_NAIVE=1']);
  for (const file of filesBelow(join(root, 'bpf/tests'))) {
    if (!file.endsWith('.bpf.c')) continue;
    compileKernelObject(root, relative(root, file), `dist/bpf/tests/${basename(file, '.c')}.o`);
  }
}

/**
 * The parts of the build: the first file each must have made, what it is made from, and how. What is on demand is made only when it is named.
 * @param {string} root
 */
function partsOf(root) {
  return [
    {
      name: 'scripts',
      onDemand: false,
      output: 'dist/main.js',
      mark: () => fingerprint(root, scriptInputs, isProgramSource),
      make: () => buildScripts(root),
    },
    {
      name: 'kernel',
      onDemand: false,
      output: 'dist/bpf/millrace.bpf.o',
      mark: () => fingerprint(root, kernelInputs),
      make: async () => buildKernelObjects(root),
    },
    {
      name: 'torture',
      onDemand: false,
      output: 'dist/torture',
      mark: () => fingerprint(root, tortureInputs),
      make: async () => buildProgram(root, 'torture'),
    },
    {
      name: 'self-test',
      onDemand: false,
      output: 'dist/self-test',
      mark: () => fingerprint(root, selfTestInputs),
      make: async () => buildProgram(root, 'self-test'),
    },
    {
      name: 'benchmarks',
      onDemand: true,
      output: 'dist/bench-connect.mjs',
      mark: () => fingerprint(root, benchmarkInputs, isProgramSource),
      make: () => buildBenchmarks(root),
    },
  ];
}

/**
 * The parts of the build that are missing or older than their inputs, each with the fingerprint that would make it fresh.
 * @param {string} root
 */
function staleParts(root) {
  return partsOf(root).flatMap((part) => {
    const stamp = join(root, 'dist', `.${part.name}.stamp`);
    const mark = part.mark();
    const fresh = existsSync(join(root, part.output)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === mark;
    return fresh ? [] : [{ ...part, stamp, mark }];
  });
}

/** Whether there is nothing to build. @param {string} root */
export function isBuilt(root) {
  return staleParts(root).every((part) => part.onDemand);
}

/**
 * Brings dist/ up to date and does nothing where it is. Throws BuildError.
 * @param {{ root: string, only?: string, log?: (line: string) => void }} options
 */
export async function build({ root, only, log = () => {} }) {
  for (const part of staleParts(root)) {
    if (only === undefined ? part.onDemand : part.name !== only) continue;
    const started = performance.now();
    await part.make();
    writeWhole(part.stamp, part.mark);
    log(`built ${part.name} in ${((performance.now() - started) / 1000).toFixed(2)} s`);
  }
}

if (argv[1] !== undefined && basename(argv[1]) === 'build.mjs') {
  const only = argv[2];
  try {
    await build({ root: dirname(dirname(here)), ...(only === undefined ? {} : { only }), log: (line) => stderr.write(`${line}\n`) });
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    stderr.write(`${error.message}\n`);
    exit(1);
  }
}
