import { expect, it } from 'vitest';
import { runScript } from '../test/support/run-tool.ts';

it('generate-proto.mjs has been run since the interfaces last changed', async () => {
  expect(await runScript('generate-proto.mjs', ['--check'])).toEqual({ status: 0, output: '' });
}, 60_000);
