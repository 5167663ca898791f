import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redirectRules } from './redirect-rules.ts';
import { entry } from './registry.ts';
import { runCommandLine } from './run.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-rules-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function run(args: readonly string[], input = '') {
  const written = { stdout: '', stderr: '' };
  const exitCode = await runCommandLine(
    ['redirect', 'rules', ...args],
    [entry('redirect rules', 'print rules', async () => redirectRules)],
    '0',
    {
      signal: new AbortController().signal,
      stdout: { write: (text) => (written.stdout += text) },
      stderr: { write: (text) => (written.stderr += text) },
      stdin: Readable.from([input]),
      env: {},
    },
  );
  return { exitCode, ...written };
}

function rules(name: string): string {
  return readFileSync(new URL(`../redirect/iptables/testdata/${name}.rules`, import.meta.url), 'utf8');
}

describe('millrace redirect rules', () => {
  test("prints the contract's lines when the configuration is on standard input", async () => {
    const answer = await run(['--config', '-'], '{"InboundPortsInclude": "*"}');
    expect(answer).toEqual({ exitCode: 0, stdout: rules('inbound-ports-wildcard'), stderr: '' });
  });

  test("prints the contract's lines when the configuration is a file", async () => {
    const path = join(directory, 'config.json');
    writeFileSync(path, '{"InboundPortsInclude": "4000,5000", "EnableIPv6": true}');
    expect(await run(['--config', path])).toEqual({ exitCode: 0, stdout: rules('ipv6-inbound-ports'), stderr: '' });
  });

  test.each([
    ['--config is missing', [], '', 2, '--config is missing'],
    ['the file is missing', ['--config', '/no/such/file'], '', 1, '/no/such/file'],
    ['the text is no JSON', ['--config', '-'], '{', 1, 'standard input is not JSON'],
    ['a key is unknown', ['--config', '-'], '{"Ports": "*"}', 1, '"Ports" is unknown'],
    ['a range is wrong', ['--config', '-'], '{"OutboundIPRangesExclude": "*"}', 1, 'OutboundIPRangesExclude'],
  ])('fails with what is wrong and prints no rule when %s', async (_why, args, input, exitCode, words) => {
    const answer = await run(args, input);
    expect(answer.exitCode).toBe(exitCode);
    expect(answer.stdout).toBe('');
    expect(answer.stderr).toContain(words);
  });
});
