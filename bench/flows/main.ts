import { exitCodes } from '../../src/base/errors.ts';
import { runMain } from '../support/main-program.ts';
import { benchFlows } from './measure.ts';

/** Milliseconds for each row. */
const patience = 1000;

await runMain(async () => {
  for (const { name, nanoseconds } of await benchFlows(patience)) {
    process.stdout.write(`${name.padEnd(45)} ${nanoseconds.toFixed(0).padStart(8)} ns\n`);
  }
  return exitCodes.done;
});
