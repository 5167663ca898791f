import { describe, expect, it } from 'vitest';
import { runScript, runTool } from '../support/run-tool.ts';

const clean = { status: 0, output: '' };

describe('types and style', () => {
  it('has no type error in strict mode', async () => {
    expect(await runTool('tsc', ['--noEmit', '--pretty', 'false', '-p', '.'])).toEqual(clean);
  });

  it('is formatted and linted', async () => {
    const { status, output } = await runTool('biome', ['check', '--error-on-warnings', '--max-diagnostics=50', '.']);
    expect(status, output).toBe(0);
  });

  it('has its C in kernel style', async () => {
    const { status, output } = await runScript('format-c.mjs', ['--check']);
    // Without clang-format 14 the script says so, and there is nothing to hold against the code.
    if (output.includes('is not checked')) process.stderr.write(output);
    expect(status, output).toBe(0);
  });
});
