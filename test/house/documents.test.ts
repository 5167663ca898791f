import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../../src/base/codes.ts';
import { projectRoot } from '../../src/base/project.ts';
import { commands } from '../../src/cli/commands.ts';

const root = projectRoot();
const read = (path: string) => readFileSync(join(root, path), 'utf8');

function sourcesBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => /\.(ts|mjs)$/.test(path));
}

/** The words after `millrace` in a document's code: `millrace lab up …` → `lab up …`. */
function invocationsIn(document: string): readonly string[] {
  const code = [...document.matchAll(/```[a-z]*\n([\s\S]*?)```|`([^`\n]+)`/g)].map((match) => match[1] ?? match[2] ?? '');
  return code.flatMap((text) => [...text.matchAll(/(?:^|[\s/])millrace ((?:[a-z]+ ?)+)/gm)].map((match) => (match[1] ?? '').trim()));
}

/** What people read of the project, but for the changelog, which also names what is gone. */
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

describe('docs/errors.md', () => {
  const documented = [...read('docs/errors.md').matchAll(/^### ([A-Z0-9_]+)$/gm)].map((match) => match[1]);

  it('has every code of src/base/codes.ts once, and no other', () => {
    expect([...documented].sort()).toEqual(Object.keys(errorCodes).sort());
  });

  it('says of each code what it means, why it happens and how to solve it', () => {
    const sections = read('docs/errors.md').split(/^### /m).slice(1);
    const incomplete = sections
      .filter((section) => !/\n\*\*Cause\.\*\* \S[\s\S]*\n\*\*Cure\.\*\* \S/.test(section))
      .map((section) => section.split('\n')[0]);
    expect(incomplete).toEqual([]);
  });
});

describe('src/base/codes.ts', () => {
  it('has no code that nothing raises', () => {
    const raising = [...sourcesBelow('src'), ...sourcesBelow('tools')]
      .filter((path) => !path.endsWith('.test.ts') && path !== 'src/base/codes.ts')
      .map(read)
      .join('\n');
    expect(Object.keys(errorCodes).filter((code) => !raising.includes(`'${code}'`))).toEqual([]);
  });
});

describe('the commands', () => {
  const names = commands.map(({ name }) => name);

  it('all load, each name once', async () => {
    expect(new Set(names).size).toBe(names.length);
    for (const command of commands) expect(await command.load(), command.name).toMatchObject({ run: expect.any(Function) });
  });

  it.each(documents)('that %s shows exist', (path) => {
    const shown = invocationsIn(read(path));
    const unknown = shown.filter((words) => !names.some((name) => words === name || words.startsWith(`${name} `)));
    expect(unknown).toEqual([]);
    if (path === 'README.md') expect(shown.length).toBeGreaterThan(0);
  });
});

describe('the documents', () => {
  it.each(documents)('of which %s is one, link only to files that exist', (path) => {
    const linked = [...read(path).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? '');
    expect(linked.filter((target) => !existsSync(join(root, dirname(path), target)))).toEqual([]);
  });
});

describe('README.md', () => {
  it('names only npm scripts that exist', () => {
    const text = read('README.md');
    const { scripts } = JSON.parse(read('package.json'));
    const called = [...text.matchAll(/npm (?:run )?([a-z]+)/g)]
      .map((match) => match[1] ?? '')
      .filter((name) => !['ci', 'install', 'run'].includes(name));
    expect(called.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it('gives the test command that .ci/run runs', () => {
    const command = read('.ci/run')
      .split('\n')
      .filter((line) => /^[a-z]/.test(line) && !/^(set|cd) /.test(line));
    expect(command).toEqual(['npm test']);
    expect(read('README.md')).toMatch(/^npm test\b/m);
  });
});

describe('docs/adr', () => {
  it('lists every decision in its index', () => {
    const files = readdirSync(join(root, 'docs/adr')).filter((name) => /^\d{4}-/.test(name));
    const index = read('docs/adr/README.md');
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((name) => !index.includes(`](${name})`))).toEqual([]);
    for (const name of files)
      expect(read(join('docs/adr', name)), name).toMatch(/^# \d{4} .+\n[\s\S]*## Context\n[\s\S]*## Decision\n[\s\S]*## Consequences\n/);
  });

  it('has no broken link in any document', () => {
    const documents = [
      'README.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => join('docs', name)),
    ];
    const broken = documents
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) => [...read(path).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => ({ path, link: match[1] ?? '' })))
      .filter(({ path, link }) => !existsSync(join(root, dirname(path), link)));
    expect(broken).toEqual([]);
  });
});
