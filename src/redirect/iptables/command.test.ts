import { describe, expect, test } from 'vitest';
import { isMissingProgram, runCommand } from './command.ts';

describe('runCommand()', () => {
  test('gives the exit code and what was printed when the program fails', async () => {
    expect(await runCommand('sh', ['-c', 'cat; echo bad >&2; exit 4'], { input: 'given' })).toEqual({
      exitCode: 4,
      stdout: 'given',
      stderr: 'bad\n',
    });
  });

  test('does not mind a program that never reads its input', async () => {
    expect((await runCommand('true', [], { input: 'x'.repeat(1_000_000) })).exitCode).toBe(0);
  });

  test('says which program is missing and how to get it', async () => {
    const error = await runCommand('no-such-program-here', []).catch((reason: unknown) => reason);
    expect(isMissingProgram(error)).toBe(true);
    expect(error).toMatchObject({ exitCode: 3, data: { program: 'no-such-program-here' } });
  });

  test('ends the program when the signal fires', async () => {
    const controller = new AbortController();
    const work = runCommand('sleep', ['60'], { signal: controller.signal });
    controller.abort();
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
  });
});
