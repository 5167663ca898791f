#!/usr/bin/env node
// @ts-check
// Everything between a bare clone and a project that runs; safe to call always, also twice at once. Plain Node: there is no node_modules yet.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BuildError, build, isBuilt } from './build.mjs';
import { envoyReady, installEnvoy } from './setup/envoy.mjs';
import { lock } from './setup/lock.mjs';
import { kernelRemark, machineProblems, readMachine } from './setup/machine.mjs';
import { installNodePackages, nodePackagesReady } from './setup/node-packages.mjs';
import { MachineProblem, StepFailure } from './setup/problem.mjs';
import { Progress } from './setup/progress.mjs';
import { installPackages, missingHere } from './setup/system-packages.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const abort = new AbortController();
const quiet = process.argv.includes('--quiet-when-done');

/** What is to be done now; all of it is found out by looking at files, in milliseconds. */
function pending() {
  const missing = missingHere(root, { retry: !quiet });
  return {
    missing,
    system: missing.length > 0,
    node: !nodePackagesReady(root),
    envoy: !envoyReady(root, process.env),
    build: !isBuilt(root),
  };
}

/** @param {Progress} progress */
async function bringUp(progress) {
  const held = await lock(root, {
    signal: abort.signal,
    onWait: () => progress.line('another set-up of this folder is running: waiting for it'),
  });
  try {
    const todo = pending();
    const warn = (/** @type {string} */ text) => progress.line(`warning: ${text}`);
    const { signal } = abort;
    /** @type {Promise<unknown>[]} */
    const steps = [];
    if (todo.system) {
      const names = todo.missing.map((need) => need.name).join(', ');
      steps.push(progress.step('packages of the system', () => installPackages({ root, missing: todo.missing, signal, warn })));
      progress.line(`installing ${names}`);
    }
    if (todo.node) steps.push(progress.step('packages of Node', () => installNodePackages({ root, signal })));
    if (todo.envoy) steps.push(progress.step('Envoy', () => installEnvoy({ root, signal })));
    // All of them come to their end, so that a second run has only the failed ones left to do.
    const failures = (await Promise.allSettled(steps)).flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    if (failures.length > 0) return failures;
    await progress.step('build', () => build({ root }));
    return [];
  } catch (error) {
    return [error];
  } finally {
    progress.close();
    held.release();
  }
}

/**
 * @param {unknown} error
 * @returns {number} the exit code that belongs to it
 */
function report(error) {
  if (error instanceof MachineProblem) {
    process.stderr.write(`${error.toText()}\n`);
    return 3;
  }
  if (error instanceof StepFailure || error instanceof BuildError) {
    process.stderr.write(`error: ${error.message}\n${error instanceof StepFailure ? error.output : ''}\n`);
    return 1;
  }
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}

async function main() {
  const facts = readMachine();
  const problems = machineProblems(facts);
  if (problems.length > 0) return Math.max(...problems.map(report));
  const remark = kernelRemark(facts);
  if (remark !== null && !quiet) process.stderr.write(`warning: ${remark}\n`);
  try {
    const todo = pending();
    if (!todo.system && !todo.node && !todo.envoy && !todo.build) {
      if (!quiet) process.stderr.write('nothing to do: the project is set up\n');
      return 0;
    }
  } catch (error) {
    return report(error);
  }
  const progress = new Progress(process.stderr);
  const failures = await bringUp(progress);
  if (abort.signal.aborted) return 130;
  if (failures.length > 0) return Math.max(...failures.map(report));
  progress.line(`set up in ${progress.total()}`);
  return 0;
}

for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(name, () => abort.abort());
process.exit(await main());
