import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/base/project.ts';
import { runScript, runTool } from '../support/run-tool.ts';

const root = projectRoot();

/** The most lines a file may have, by folder and ending. */
const lengthLimits = [
  { folder: 'src', ending: /\.ts$/, most: 400 },
  { folder: 'test', ending: /\.ts$/, most: 400 },
  { folder: 'tools', ending: /\.mjs$/, most: 400 },
  { folder: 'bpf', ending: /\.[ch]$/, most: 300 },
] as const;

function filesBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
}

describe('structure', () => {
  it('keeps the direction of dependencies', async () => {
    const { status, output } = await runTool('depcruise', [
      '--config',
      '.dependency-cruiser.cjs',
      '--output-type',
      'err-long',
      'src',
      'test',
      'tools',
    ]);
    expect(status, output).toBe(0);
  });

  it('has no dead file, export or dependency', async () => {
    const { status, output } = await runTool('knip', ['--no-progress']);
    expect(status, output).toBe(0);
  });

  it('has the generated layouts that the headers of the kernel side ask for', async () => {
    const { status, output } = await runScript('generate-abi.mjs', ['--check']);
    expect(status, output).toBe(0);
  });

  it.each(lengthLimits)('has no file longer than $most lines in $folder', ({ folder, ending, most }) => {
    // Generated tables are as long as what they are made from.
    const files = filesBelow(folder).filter((path) => ending.test(path) && !path.includes('/gen/'));
    expect(files.length).toBeGreaterThan(0);
    const tooLong = files
      .map((path) => ({ path, lines: readFileSync(join(root, path), 'utf8').split('\n').length - 1 }))
      .filter(({ lines }) => lines > most);
    expect(tooLong).toEqual([]);
  });
});
