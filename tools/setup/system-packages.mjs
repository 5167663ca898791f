// @ts-check
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, llvmNames } from '../find-program.mjs';
import { MachineProblem, StepFailure } from './problem.mjs';
import { run, saysUnreachable } from './run.mjs';

/**
 * A package of Debian, and how to see that what it brings is there, whoever brought it.
 * @typedef {object} PackageNeed
 * @property {string} name
 * @property {readonly (readonly string[])[]} [programs] of each group, one name must be on the search path
 * @property {readonly (readonly string[])[]} [files] of each group, one path must exist
 * @property {string} [optional] what does not work without it; where this is missing, the package is required
 */

const libraryFolders = [
  '/usr/lib/x86_64-linux-gnu',
  '/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
];

/** @type {readonly PackageNeed[]} */
export const packageNeeds = [
  { name: 'clang', programs: [llvmNames('clang')] },
  { name: 'llvm', programs: [llvmNames('llvm-strip')] },
  {
    name: 'linux-libc-dev',
    files: [
      ['/usr/include/linux/bpf.h'],
      ['/usr/include/x86_64-linux-gnu/asm/types.h', '/usr/include/aarch64-linux-gnu/asm/types.h', '/usr/include/asm/types.h'],
    ],
  },
  { name: 'libbpf-dev', files: [['/usr/include/bpf/bpf_helpers.h']] },
  { name: 'libbpf1', files: [libraryFolders.map((folder) => `${folder}/libbpf.so.1`)] },
  { name: 'iptables', programs: [['iptables'], ['iptables-restore'], ['ip6tables-restore'], ['iptables-save']] },
  { name: 'iproute2', programs: [['ip'], ['tc']] },
  { name: 'util-linux', programs: [['nsenter'], ['unshare'], ['setpriv']] },
  { name: 'conntrack', programs: [['conntrack']] },
  { name: 'curl', programs: [['curl']] },
  {
    name: 'python3-pip',
    files: [['/usr/lib/python3/dist-packages/pip', '/usr/local/lib/python3/dist-packages/pip', '/usr/bin/pip3', '/usr/local/bin/pip3']],
  },
  { name: 'postgresql', files: [postgresPaths()], optional: 'the sample pod sensitive-db has no real database' },
  { name: 'openssl', programs: [['openssl']], optional: 'the torture suite leaves TLS out' },
  { name: 'clang-format', programs: [llvmNames('clang-format')], optional: 'the format of the C files is not checked' },
];

/** Debian keeps the server's binaries in a folder of their own for each version. */
function postgresPaths() {
  const versions = ['15', '16', '17', '14', '13'];
  return versions.map((version) => `/usr/lib/postgresql/${version}/bin/postgres`);
}

/**
 * Which packages to install, given what is found. Pure.
 * @param {readonly PackageNeed[]} needs
 * @param {{ program: (names: readonly string[]) => boolean, file: (path: string) => boolean }} found
 * @returns {PackageNeed[]}
 */
export function missingPackages(needs, found) {
  return needs.filter(({ programs = [], files = [] }) => {
    const allThere = programs.every((names) => found.program(names)) && files.every((paths) => paths.some((path) => found.file(path)));
    return !allThere;
  });
}

/**
 * The same of this machine. No process is started.
 * @param {string} root
 * @param {{ retry: boolean }} options false: leaves out what is optional and could not be installed during the last day
 */
export function missingHere(root, { retry }) {
  const missing = missingPackages(packageNeeds, { program: (names) => findProgram(names) !== null, file: existsSync });
  const given = retry ? [] : givenUp(root);
  return missing.filter((need) => need.optional === undefined || !given.includes(need.name));
}

/** The optional packages that could not be installed: without this note, every run would try again for many seconds. @param {string} root */
const noteOf = (root) => join(root, 'dist', '.not-installable');
const noteLifetime = 24 * 3600 * 1000;

/** @param {string} root */
function givenUp(root) {
  const note = noteOf(root);
  if (!existsSync(note) || Date.now() - statSync(note).mtimeMs > noteLifetime) return [];
  return readFileSync(note, 'utf8').split('\n');
}

const apt = ['-y', '--no-install-recommends', '-q', '-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=2'];
const quietly = { DEBIAN_FRONTEND: 'noninteractive', UCF_FORCE_CONFFOLD: '1', NEEDRESTART_MODE: 'l' };

/**
 * Installs what is missing. Throws MachineProblem where that is not possible; what is optional only costs a warning.
 * @param {{ root: string, missing: readonly PackageNeed[], signal: AbortSignal, warn: (text: string) => void }} options
 */
export async function installPackages({ root, missing, signal, warn }) {
  const required = missing.filter((need) => need.optional === undefined).map((need) => need.name);
  if (findProgram(['apt-get']) === null) {
    if (required.length === 0) return giveUp(root, missing, warn);
    throw new MachineProblem(
      'MACHINE_MISSING_PROGRAM',
      `Cannot install packages because this machine has no apt-get: missing are ${required.join(', ')}`,
      {
        cure: "Install what these packages of Debian hold with your system's own package manager, then run the set-up again.",
      },
    );
  }
  if (missing.some((need) => need.name === 'postgresql')) preventCluster();
  const all = missing.map((need) => need.name);
  let result = await install(all, signal);
  if (result.status !== 0 && required.length < all.length && !(required.length > 0 && saysUnreachable(result.output))) {
    // What is optional must not stop the rest.
    result = required.length === 0 ? { status: 0, output: '' } : await install(required, signal);
    if (result.status === 0) giveUp(root, missing, warn);
  }
  if (result.status === 0) return;
  const command = `apt-get update && apt-get install ${required.join(' ')}`;
  if (saysUnreachable(result.output)) {
    throw new MachineProblem(
      'MACHINE_NO_REGISTRY',
      `Cannot install packages because apt's mirror cannot be reached: missing are ${required.join(', ')}`,
      {
        cure: 'Give the machine network or a mirror, or install the packages by hand.',
        command,
      },
    );
  }
  throw new StepFailure(
    `Cannot install packages because apt-get failed with exit code ${result.status}: missing are ${required.join(', ')}; try ${command}`,
    result.output,
  );
}

/**
 * Installs with the package lists that are there; brings the lists up to date where there are none or where they turn out too old.
 * @param {readonly string[]} names
 * @param {AbortSignal} signal
 */
async function install(names, signal) {
  const listed = existsSync('/var/lib/apt/lists') && readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'));
  if (listed) {
    const result = await run('apt-get', ['install', ...apt, ...names], { env: quietly, signal });
    if (result.status === 0) return result;
  }
  const update = await run('apt-get', ['update', '-q'], { env: quietly, signal });
  const result = await run('apt-get', ['install', ...apt, ...names], { env: quietly, signal });
  return { status: result.status, output: update.output + result.output };
}

/** Keeps Debian's PostgreSQL package from making and starting a database of its own; nobody's own setting is touched. */
function preventCluster() {
  const folder = '/etc/postgresql-common';
  const file = join(folder, 'createcluster.conf');
  if (existsSync(file)) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, '# Written by the set-up of millrace: it uses the server binaries only.\ncreate_main_cluster = false\n');
}

/**
 * @param {string} root
 * @param {readonly PackageNeed[]} missing
 * @param {(text: string) => void} warn
 */
function giveUp(root, missing, warn) {
  const optional = missing.filter((need) => need.optional !== undefined);
  for (const need of optional) warn(`${need.name} could not be installed: ${need.optional}`);
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(noteOf(root), optional.map((need) => need.name).join('\n'));
}
