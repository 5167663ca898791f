import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { launcherPath } from '../../src/base/project.ts';
import type { BenchSummary } from '../../src/bench/summary.ts';
import type { BenchReport } from '../../src/bench/types.ts';
import { ended, millrace, startProcess, until } from '../support/run-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'e2e-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

const names = ['none', 'iptables', 'ebpf'];

describe('millrace bench', () => {
  it('measures every configuration once in every way, and prints what it saved in every format', async () => {
    const saved = join(folder, 'run.json');
    const small = ['--connections', '2', '--duration', '300ms', '--warmup', '0s', '--rounds', '1'];
    const everything = ['--mtls', 'both', '--body', '0,64k', '--new-connections', '--rate', '50', '--stream'];
    const args = ['bench', '--configs', names.join(','), ...small, ...everything, '-o', 'json', '--save', saved];
    const { status, stdout, stderr } = await millrace(args, { timeoutMs: 110_000 });
    expect({ status, stdout }, stderr).toEqual({ status: 0, stdout: '' });
    const { report, summary }: { report: BenchReport; summary: BenchSummary } = JSON.parse(readFileSync(saved, 'utf8'));

    expect(report.machine).toMatchObject({ proxy: expect.stringMatching(/^Envoy \d/), load: expect.stringMatching(/^fortio \d/) });
    expect(summary.scenarios.map(({ scenario: { layout, mode, mtls, body } }) => `${layout} ${mode.kind} ${mtls} ${body}`)).toEqual([
      'one CPU keep-alive off 0',
      'one CPU keep-alive off 65536',
      'one CPU keep-alive on 0',
      'one CPU new connections off 0',
      'one CPU fixed rate off 0',
    ]);
    for (const { configurations } of summary.scenarios) {
      expect(configurations.map(({ configuration }) => configuration)).toEqual(names);
      for (const { configuration, values, failed, requests, histogram } of configurations) {
        expect(failed, configuration).toBe(0);
        expect(requests, configuration).toBeGreaterThan(5);
        expect(histogram.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThanOrEqual(requests);
        expect(values.p50.median).toBeLessThanOrEqual(values.p99.median);
        expect(values.cpuPerRequest.median).toBeGreaterThan(0);
        expect(values.switchesPerRequest.median).toBeGreaterThan(0);
        // Requests go through both proxies exactly where they should: a request costs a proxy tens of microseconds.
        if (configuration === 'none') expect(values.proxyPerRequest.median).toBe(0);
        else expect(values.proxyPerRequest.median).toBeGreaterThan(20);
      }
    }
    expect(summary.streams).toHaveLength(10);
    for (const { configurations } of summary.streams) for (const { gigabits } of configurations) expect(gigabits.median).toBeGreaterThan(0);

    const print = async (format: string) => (await millrace(['bench', '--from', saved, '-o', format])).stdout;
    expect(await print('table')).toMatch(/^none +\d+ +/m);
    expect(await print('markdown')).toContain('| none |');
    expect(await print('html')).toMatch(/^<!doctype html>[\s\S]*<svg[\s\S]*<\/html>\n$/);
    expect(JSON.parse(await print('json'))).toEqual({ report, summary });
  });

  it('measures acceleration where it is on, and says why not where it is off', async () => {
    const args = [
      'bench',
      '--configs',
      'none,ebpf+accelerate,direct+accelerate',
      '--connections',
      '2',
      '--duration',
      '300ms',
      '--rounds',
      '1',
    ];
    const { status, stdout, stderr } = await millrace([...args, '--warmup', '300ms', '-o', 'json']);
    if (status !== 0) {
      expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
      expect(stderr).toMatch(/Cannot measure ebpf\+accelerate because acceleration is off here: \S/);
      return;
    }
    const { summary }: { summary: BenchSummary } = JSON.parse(stdout);
    const proxied = summary.scenarios[0]?.configurations.map(({ configuration, values }) => [
      configuration,
      values.proxyPerRequest.median > 20,
    ]);
    expect(proxied).toEqual([
      ['none', false],
      ['ebpf+accelerate', true],
      ['direct+accelerate', false],
    ]);
  });

  it.each([
    ['an unknown configuration', ['--configs', 'nftables'], 2, 'USAGE'],
    ['no rounds', ['--rounds', '0'], 2, 'USAGE'],
    ['a fixed rate by wrk', ['--load', 'wrk', '--rate', '10'], 2, 'USAGE'],
    ['a report that is not there', ['--from', '/no/such/file'], 1, 'FILE_UNREADABLE'],
    // before it measures anything: it would begin with "measuring for"
    ['a place where nothing can be saved', ['--save', '/no/such/folder/run.json'], 1, 'FILE_UNWRITABLE'],
    ['a report that is none', ['--from', join(import.meta.dirname, '../../package.json')], 1, 'BENCH_REPORT_INVALID'],
  ])('refuses %s', async (_what, args, status, code) => {
    const seen = await millrace(['bench', ...args]);
    expect(seen).toMatchObject({ status, stdout: '' });
    expect(seen.stderr).toMatch(new RegExp(`^error: Cannot [^]*\\n  solve    [^]*code     ${code} `));
  });

  it('takes everything down when it is interrupted, and ends with 130', async () => {
    const child = startProcess(launcherPath(), ['bench', '--configs', 'none', '--duration', '20s', '--warmup', '0s']);
    let said = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    const result = ended(child);
    await until('the first run', () => (said.includes('round 1') ? true : null), 30_000);
    child.kill('SIGINT');
    expect((await result).status).toBe(130);
    expect(existsSync(`/run/millrace/bench-${child.pid}-plain`)).toBe(false);
  });
});
