import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { playWorld, startFlowServer } from '../../../test/support/flow-server.ts';
import { RecordedOutput } from '../../../test/support/recorded-output.ts';
import { runCommand } from '../../../test/support/run-command.ts';
import { flowEvent } from '../../../test/support/scripted-events.ts';
import { parseDuration, parseTimeInput } from './time-input.ts';

const observe = (...args: readonly string[]) => runCommand(['observe', ...args]);

describe('millrace observe', () => {
  it.each([
    [['--from-ip', '1.2.3.4', '--from-fqdn', 'x'], 'Cannot filter by --from-fqdn because it cannot be combined with --from-ip'],
    [['--pod', 'a/b', '--namespace', 'c'], 'Cannot filter by --namespace because the filter also asks for a/b'],
    [['--to-pod', 'a/b', '--to-service', 'c/d'], 'because the filter also asks for the pod a/b'],
    [['--not'], 'Cannot filter by --not because no filter follows it'],
    [['--not', '--not', '--ip', 'x'], 'because two of them follow each other'],
    [['--verdict', 'dropped'], 'Cannot filter by --verdict because it is none of'],
    [['--type', 'x'], 'Cannot filter by --type because its type is none of'],
    [['--type', 'trace:x'], 'because its sub type is neither a name nor a number'],
    [['--identity', 'nobody'], 'because it is neither a number nor one of'],
    [['--tcp-flags', 'SYN,X'], 'because X is none of SYN'],
    [['--http-header', 'x'], 'because it is not name:value'],
    [['--ip-trace-id', '0'], 'because it is not a positive number'],
    [['--drop-reason-desc', 'x'], 'because it is no reason for a drop'],
    [['--first', '1', '--last', '1'], '--first and --last exclude each other'],
    [['--last', '1', '--all'], '--last and --all exclude each other'],
    [['--follow', '-o', 'table'], 'a table needs all of them at once'],
    [['--field-mask', 'time'], 'needs fields that --field-mask may leave out'],
    [['--allowlist', '{"x":1}'], '--allowlist is not a filter in JSON'],
    [['--since', 'yesterday'], 'neither a duration nor a time'],
    [['--input-file', '-', '--ip', 'x'], 'Cannot filter by source_ip'],
  ])('refuses %j as a usage error', async (args, message) => {
    const { status, stdout, stderr } = await observe(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('says that nobody answers, and what to do', async () => {
    const { status, stderr } = await observe('--server', 'unix:///nonexistent/hubble.sock');
    expect(status).toBe(1);
    expect(stderr).toMatch(/unix:\/\/\/nonexistent\/hubble\.sock does not answer[\s\S]*millrace status[\s\S]*FLOW_SERVER/);
  });

  it('gives up a server that takes connections and never answers', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-silent-'));
    const silent = createServer();
    try {
      const path = join(folder, 'hubble.sock');
      await new Promise<void>((resolve) => silent.listen(path, resolve));
      const { status, stderr } = await observe('--server', `unix://${path}`, '--last', '1');
      expect({ status, message: stderr.split('\n')[0] }).toEqual({
        status: 1,
        message: `error: Cannot show flows because unix://${path} does not answer within 10000 ms`,
      });
    } finally {
      silent.close();
      rmSync(folder, { recursive: true });
    }
  }, 20_000);

  it("takes hubble's other names of formats", async () => {
    expect(await observe('--follow', '-o', 'tab')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('a table needs all of them'),
    });
    expect(await observe('--print-raw-filters', '-o', 'JSON')).toMatchObject({ status: 0 });
  });

  it("passes on a server's refusal", async () => {
    await using server = await startFlowServer();
    expect(await observe('--server', server.address, '--http-status', 'x')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/the server refuses the request: Cannot filter by http_status_code[\s\S]*FILTER_INVALID/),
    });
  });

  it('merges servers by time, and goes on without one that does not answer', async () => {
    await using a = await startFlowServer({ nodeName: 'node-a' });
    await using b = await startFlowServer({ nodeName: 'node-b' });
    for (const [server, second] of [
      [a, 1n],
      [b, 2n],
      [a, 3n],
      [b, 4n],
    ] as const) {
      server.events.push(flowEvent({ timeNs: second * 1_000_000_000n }));
    }
    const answer = await observe(
      '--server',
      `${a.address}, ${b.address},unix:///nonexistent`,
      '--print-node-name',
      '--time-format',
      'RFC3339',
    );
    expect(answer.stdout.split('\n').map((line) => /\[(.*?)\]/.exec(line)?.[1])).toEqual([
      'node-a',
      'node-b',
      'node-a',
      'node-b',
      undefined,
    ]);
    expect(answer).toMatchObject({ status: 0, stderr: expect.stringContaining('unix:///nonexistent does not answer') });
  });

  it('follows several servers until it is interrupted', async () => {
    await using a = await startFlowServer();
    await using b = await startFlowServer();
    const abort = new AbortController();
    const printed = new RecordedOutput();
    const running = runCommand(['observe', '--follow', '--last', '5', '--server', `${a.address},${b.address}`], {
      signal: abort.signal,
      stdout: printed,
    });
    a.events.push(flowEvent({ timeNs: 2_000_000_000n, sport: 2 }));
    b.events.push(flowEvent({ timeNs: 1_000_000_000n, sport: 1 }));
    await expect.poll(() => printed.text.split('\n').length, { timeout: 10_000 }).toBe(3);
    abort.abort();
    const { status, stdout } = await running;
    expect(status).toBe(0);
    expect(stdout.split('\n').map((line) => /:([12]) /.exec(line)?.[1])).toEqual(['1', '2', undefined]);
  });

  it('says which line of a file is no flow', async () => {
    const { status, stderr } = await runCommand(['observe', '--input-file', '-'], { input: '\n{"flow":{}}\nnonsense\n' });
    expect(status).toBe(1);
    expect(stderr).toContain('line 3 of -');
  });

  it('prints the article’s drop with its fields', async () => {
    await using server = await startFlowServer();
    playWorld(server);
    const { stdout } = await observe(
      '--server',
      server.address,
      '--from-label',
      'app=sleep',
      '--to-label',
      'app=sensitive-db',
      '--verdict',
      'DROPPED',
      '--type',
      'drop',
      '-o',
      'json',
      '--first',
      '1',
    );
    expect(JSON.parse(stdout).flow).toMatchObject({
      verdict: 'DROPPED',
      drop_reason_desc: 'POLICY_DENY',
      l4: { TCP: { destination_port: 5432, flags: { SYN: true } } },
      source: { labels: expect.arrayContaining(['k8s:app=sleep']) },
      destination: { labels: expect.arrayContaining(['k8s:app=sensitive-db']) },
      event_type: { type: 1, sub_type: 181 },
      traffic_direction: 'EGRESS',
    });
  });
});

describe('parseTimeInput()', () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5);
  const ms = (value: number) => BigInt(value) * 1_000_000n;
  it.each([
    ['5m', ms(now - 300_000)],
    ['1h1.5s', ms(now - 3_601_500)],
    ['-3ms', ms(now + 3)],
    ['250ns', ms(now) - 250n],
    ['2026-01-01', ms(Date.UTC(2026, 0, 1))],
    ['2026-01-01T05Z', ms(Date.UTC(2026, 0, 1, 5))],
    ['2026-01-01T05:06+02:00', ms(Date.UTC(2026, 0, 1, 3, 6))],
    ['2026-01-01T05:06:07.000000001-00:30', ms(Date.UTC(2026, 0, 1, 5, 36, 7)) + 1n],
    ['Thu, 01 Jan 2026 05:06:07 +0100', ms(Date.UTC(2026, 0, 1, 4, 6, 7))],
  ])('reads %s', (text, expected) => {
    expect(parseTimeInput('since', text, now)).toBe(expected);
  });

  it.each(['', '5', '5 m', '2026-02-30', '2026-01-01T25:00Z', '2026-01-01T05:06:07'])('refuses %j', (text) => {
    expect(() => parseTimeInput('since', text, now)).toThrow('neither a duration nor a time');
    expect(parseDuration(text)).toBeNull();
  });
});
