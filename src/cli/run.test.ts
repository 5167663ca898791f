import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { RecordedOutput } from '../../test/support/recorded-output.ts';
import { MillraceError, UserError } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { outputOption, printRows } from './print.ts';
import { entry } from './registry.ts';
import { runCommandLine } from './run.ts';

const seen: unknown[] = [];

const up = defineCommand({
  description: 'Starts all of it.',
  arguments: { what: { kind: 'optional', summary: 'what to start' } },
  options: {
    file: { kind: 'list', short: 'f', value: 'FILE', summary: 'a manifest' },
    nodes: { kind: 'number', value: 'N', minimum: 1, maximum: 3, default: 1, summary: 'how many' },
    redirect: { kind: 'choice', choices: ['ebpf', 'iptables'], default: 'ebpf', summary: 'who redirects' },
    'log-level': {
      kind: 'choice',
      choices: ['everything', 'something', 'next-to-nothing'],
      aliases: { all: 'everything' },
      default: 'something',
      summary: 'how much to say',
    },
    'dry-run': { kind: 'flag', summary: 'only say it' },
    name: { kind: 'text', value: 'NAME', summary: 'a name' },
  },
  examples: ['millrace lab up -f all.yaml'],
  run: async (context) => {
    seen.push({ arguments: context.arguments, options: context.options });
    // The types follow from the specification; this line does not compile otherwise.
    const [nodes, redirect, dry, file]: [number, 'ebpf' | 'iptables', boolean, readonly string[]] = [
      context.options.nodes,
      context.options.redirect,
      context.options['dry-run'],
      context.options.file,
    ];
    return nodes + redirect.length + file.length + Number(dry);
  },
});

const exec = defineCommand({
  arguments: { pod: { kind: 'required', summary: 'the pod' }, command: { kind: 'variadic', summary: 'the command' } },
  options: { user: { kind: 'text', short: 'u', value: 'UID', summary: 'as whom' } },
  run: async (context) => {
    seen.push({ arguments: context.arguments, options: context.options });
    return 7;
  },
});

const list = defineCommand({
  arguments: {},
  options: { output: outputOption },
  run: async ({ options, stdout }) => {
    await printRows(
      stdout,
      options.output,
      [{ name: 'sleep', port: 80n }],
      [
        { title: 'NAME', value: (row) => row.name },
        { title: 'PORT', value: (row) => String(row.port), align: 'right' },
      ],
    );
    return undefined;
  },
});

const failing = (error: unknown) =>
  defineCommand({
    arguments: {},
    options: { output: outputOption },
    run: async () => {
      throw error;
    },
  });

const broken = new UserError('MANIFEST_SYNTAX', 'Cannot read a manifest because it is no YAML: line 3 ends early', {
  cure: 'Close the quote.',
  command: 'millrace lab apply -f all.yaml',
  where: { file: 'all.yaml', line: 3, column: 9 },
});
const bug = new MillraceError('SYS', 'Cannot do it because of that: 5', { cause: new Error('the deeper reason'), data: { cookie: 5n } });

const loaded: string[] = [];
const entries = [
  entry('lab up', 'start the lab', async () => {
    loaded.push('lab up');
    return up;
  }),
  entry('lab exec', 'run a command in a pod', async () => exec),
  entry('pods', 'list the pods', async () => list),
  entry('broken', 'fail as a user may', async () => failing(broken)),
  entry('buggy', 'fail as we may', async () => failing(bug)),
];

async function cli(line: string, abort = new AbortController()) {
  const stdout = new RecordedOutput();
  const stderr = new RecordedOutput();
  seen.length = 0;
  loaded.length = 0;
  const argv = line === '' ? [] : line.split(' ');
  const code = await runCommandLine(argv, entries, '1.2.3', { signal: abort.signal, stdout, stderr, stdin: Readable.from([]), env: {} });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

describe('runCommandLine()', () => {
  it('gives arguments and options, with defaults and without undefined, to the command that is named', async () => {
    expect((await cli('lab up')).code).toBe(5);
    expect(seen).toEqual([
      {
        arguments: { what: null },
        options: { file: [], nodes: 1, redirect: 'ebpf', 'log-level': 'something', 'dry-run': false, name: null },
      },
    ]);
    expect((await cli('lab up all -f a.yaml --file b.yaml --nodes 2 --redirect iptables --dry-run --name=x')).code).toBe(2 + 8 + 2 + 1);
    expect(seen).toEqual([
      {
        arguments: { what: 'all' },
        options: { file: ['a.yaml', 'b.yaml'], nodes: 2, redirect: 'iptables', 'log-level': 'something', 'dry-run': true, name: 'x' },
      },
    ]);
  });

  it('leaves everything behind -- to the command, also what looks like an option', async () => {
    expect((await cli('lab exec deploy/sleep -u 100 -- curl -s -o json --help')).code).toBe(7);
    expect(seen).toEqual([
      { arguments: { pod: 'deploy/sleep', command: ['curl', '-s', '-o', 'json', '--help'] }, options: { user: '100' } },
    ]);
  });

  it('prints help for the program, a group and a command, and loads no command for the first two', async () => {
    const program = await cli('--help');
    expect(program).toMatchObject({ code: 0, stderr: '' });
    expect(program.stdout).toMatch(/lab .*up, exec .see millrace lab --help.[\s\S]*pods +list the pods[\s\S]*Exit codes/);
    expect((await cli('')).stdout).toBe(program.stdout);
    expect((await cli('lab --help')).stdout).toMatch(/up .*start the lab\n +exec .*run a command in a pod/);
    expect(loaded).toEqual([]);
    expect((await cli('lab up --help')).stdout).toMatch(
      /Starts all of it[\s\S]*--nodes <N> +how many \(default: 1\)[\s\S]*Examples:\n {2}millrace lab up/,
    );
  });

  it('takes another spelling of a choice for the one that it means', async () => {
    await cli('lab up --log-level all');
    expect(seen).toMatchObject([{ options: { 'log-level': 'everything' } }]);
  });

  it('keeps long lists of choices in the summaries of the help', async () => {
    const { stdout } = await cli('lab up --help');
    expect(stdout).toMatch(/--redirect <ebpf\|iptables> +who redirects/);
    expect(stdout).toMatch(/--log-level <LEVEL> +how much to say: one of everything, something,\n +next-to-nothing/);
    expect(Math.max(...stdout.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(80);
  });

  it('ends with 2 and a hint when the command line is wrong', async () => {
    const cases = [
      ['lap up', /unknown command 'lap'[\s\S]*Did you mean lab\?[\s\S]*millrace --help/],
      ['lab upp', /unknown command 'upp'[\s\S]*Did you mean up\?[\s\S]*millrace lab --help/],
      ['lab', /a command is missing[\s\S]*millrace lab --help/],
      ['lab up --node 1', /unknown option '--node'[\s\S]*Did you mean --nodes\?[\s\S]*millrace lab up --help/],
      ['lab up --nodes 4', /'4' is invalid. It must be a whole number from 1 to 3/],
      ['lab up --nodes 1.5', /'1.5' is invalid/],
      ['lab up --redirect none', /'none' is invalid. It must be one of ebpf, iptables/],
      ['lab exec', /missing required argument 'pod'/],
      ['pods extra', /too many arguments/],
    ] as const;
    for (const [line, pattern] of cases) {
      const { code, stdout, stderr } = await cli(line);
      expect({ line, code, stdout, stderr }).toEqual({ line, code: 2, stdout: '', stderr: expect.stringMatching(pattern) });
      expect(stderr).toMatch(/^error: Cannot read the command line because /);
      expect(seen).toEqual([]);
    }
  });

  it('prints a list as a table, as JSON and as YAML', async () => {
    expect((await cli('pods')).stdout).toBe('NAME    PORT\nsleep     80\n');
    expect(JSON.parse((await cli('pods -o json')).stdout)).toEqual([{ name: 'sleep', port: '80' }]);
    expect((await cli('pods --output yaml')).stdout).toBe('- name: sleep\n  port: "80"\n');
  });

  it('prints what a user can mend without a stack', async () => {
    expect(await cli('broken')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'error: Cannot read a manifest because it is no YAML: line 3 ends early\n  where    all.yaml:3:9\n  solve    Close the quote.\n' +
        '  run      millrace lab apply -f all.yaml\n  code     MANIFEST_SYNTAX (docs/errors.md)\n',
    });
  });

  it('prints a bug with its stack, its causes and its data', async () => {
    const { code, stderr } = await cli('buggy');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: Cannot do it because of that: 5\n[\s\S]*run\.test\.ts[\s\S]*the deeper reason[\s\S]*"cookie": "5"[\s\S]*This is a bug/,
    );
  });

  it('prints errors as JSON when JSON was asked for, wherever the word stands before --', async () => {
    for (const line of ['broken -o json', 'broken --output json', 'broken --output=json', 'broken -ojson']) {
      expect(JSON.parse((await cli(line)).stderr).error).toMatchObject({
        code: 'MANIFEST_SYNTAX',
        where: { file: 'all.yaml', line: 3, column: 9 },
        exitCode: 1,
        stack: null,
      });
    }
    expect(JSON.parse((await cli('nonsense -o json')).stderr).error).toMatchObject({ code: 'USAGE', exitCode: 2 });
    expect((await cli('lab exec -- -o json')).code).toBe(7);
    expect(JSON.parse((await cli('buggy -o json')).stderr).error).toMatchObject({
      code: 'SYS',
      data: { cookie: '5' },
      stack: expect.any(String),
    });
  });

  it('says nothing when the command ends because it was interrupted', async () => {
    const abort = new AbortController();
    abort.abort(new DOMException('interrupted', 'AbortError'));
    const stderr = new RecordedOutput();
    const waiting = [entry('wait', 'wait', async () => failing(abort.signal.reason))];
    await runCommandLine(['wait'], waiting, '1', { signal: abort.signal, stdout: stderr, stderr, stdin: Readable.from([]), env: {} });
    expect(stderr.text).toBe('');
  });
});
