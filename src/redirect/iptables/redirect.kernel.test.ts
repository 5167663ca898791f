import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findProgram, llvmNames } from '../../../tools/find-program.mjs';
import { applyRules, removeRules } from './apply.ts';
import { parseIptablesConfig } from './config.ts';
import { conntrackEntries } from './conntrack-listing.ts';
import { formatGuard } from './guard.ts';
import { ruleSetsEmpty } from './rule-listing.ts';
import type { ScratchNetns } from './testdata/scratch-netns.ts';
import { makeScratchNetns } from './testdata/scratch-netns.ts';

const config = parseIptablesConfig({
  InboundPortsInclude: '*',
  OutboundIPRangesInclude: '*',
  OutboundPortsExclude: '9300',
  EnableIPv6: true,
});
let pod: ScratchNetns;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-redirect-probe-'));
  const compiler = findProgram(llvmNames('clang')) ?? 'clang';
  const source = new URL('testdata/redirect-probe.c', import.meta.url).pathname;
  execFileSync(compiler, ['-O1', '-Wall', '-Werror', source, '-o', join(directory, 'redirect-probe')], { stdio: 'pipe' });
  pod = await makeScratchNetns();
  await applyRules({ netns: pod.path }, config);
});
afterAll(async () => {
  await pod.close();
  rmSync(directory, { recursive: true });
});

/** Who got a connection: `LISTENER ORIGINAL-ADDRESS ORIGINAL-PORT PEER`, or `nobody`. */
function connect(uid: number, gid: number, address: string, port: number): string {
  return pod.run(join(directory, 'redirect-probe'), [String(uid), String(gid), address, String(port)]).trim();
}

describe('the rules in the kernel', () => {
  test.each([
    ['OUT-01: the application to another host goes to 15001', 1000, 1000, '10.96.5.5', 80, '15001 10.96.5.5 80 ::ffff:10.9.0.2'],
    ['OUT-02: root is captured too', 0, 0, '10.96.5.5', 443, '15001 10.96.5.5 443 ::ffff:10.9.0.2'],
    [
      'OUT-03: an AF_INET6 socket with a mapped address is captured',
      1000,
      1000,
      '::ffff:10.96.5.5',
      80,
      '15001 10.96.5.5 80 ::ffff:10.9.0.2',
    ],
    ['OUT-09: the application to its own pod is direct', 1000, 1000, '10.9.0.2', 8080, '8080 10.9.0.2 8080 ::ffff:10.9.0.2'],
    ['OUT-12: the proxy to another host is direct', 1337, 1337, '10.96.5.5', 80, 'nobody'],
    ['OUT-15: the proxy to its own pod goes to 15006', 1337, 1337, '10.9.0.2', 8080, '15006 10.9.0.2 8080 ::ffff:10.9.0.2'],
    ['OUT-13: the proxy to 127.0.0.1 is direct', 1337, 1337, '127.0.0.1', 8080, '8080 127.0.0.1 8080 ::ffff:127.0.0.1'],
    ['OUT-23: the group of the proxy is direct', 1000, 1337, '10.96.5.5', 80, 'nobody'],
    ['FIL-01: an excluded port is direct', 1000, 1000, '10.96.5.5', 9300, 'nobody'],
    ['V6-01: IPv6 to another host goes to 15001', 1000, 1000, 'fd00:96::5', 80, '15001 fd00:96::5 80 fd00:9::2'],
    ['V6-06: the proxy to its own IPv6 address goes to 15006', 1337, 1337, 'fd00:9::2', 8080, '15006 fd00:9::2 8080 fd00:9::2'],
  ])('%s', (_row, uid, gid, address, port, expected) => {
    expect(connect(uid, gid, address, port)).toBe(expected);
  });

  test('conntrackEntries() shows the rewritten connection when one was captured', async () => {
    connect(1000, 1000, '10.96.7.7', 8443);
    const entries = await conntrackEntries({ netns: pod.path }, { destination: '10.96.7.7', destinationPort: 8443, redirected: true });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({
      family: 4,
      protocol: 'tcp',
      original: { source: '10.9.0.2', destination: '10.96.7.7', destinationPort: 8443 },
      reply: { source: '127.0.0.1', sourcePort: 15001, destination: '10.9.0.2' },
    });
    expect(await conntrackEntries({ netns: pod.path }, { destination: '10.96.7.7', redirected: false })).toEqual([]);
    connect(1000, 1000, 'fd00:96::7', 8443);
    expect(await conntrackEntries({ netns: pod.path }, { family: 6, destination: 'fd00:96::7', redirected: true })).toHaveLength(1);
  });

  test('ruleSetsEmpty() tells rules from none, with what the programs printed', async () => {
    const full = await ruleSetsEmpty({ netns: pod.path });
    expect(full.empty).toBe(false);
    expect(full.listings.find((listing) => listing.program === 'iptables-save')?.text).toContain('ISTIO_OUTPUT');
    const other = await makeScratchNetns();
    try {
      const none = await ruleSetsEmpty({ netns: other.path });
      expect(none.empty).toBe(true);
      expect(none.listings.map((listing) => listing.program)).toEqual(expect.arrayContaining(['iptables-save', 'ip6tables-save']));
      expect(await conntrackEntries({ netns: other.path })).toEqual([]);
    } finally {
      await other.close();
    }
  });

  test('formatGuard() stops even the traffic of lo until it is removed', async () => {
    expect(connect(1000, 1000, '127.0.0.1', 8080)).toContain('8080');
    pod.run('iptables-restore', ['--noflush'], formatGuard());
    expect(connect(1000, 1000, '127.0.0.1', 8080)).toBe('nobody');
    expect((await applyRules({ netns: pod.path }, config)).kind).toBe('repaired');
    expect(connect(1000, 1000, '127.0.0.1', 8080)).toContain('8080');
  });

  test('removeRules() lets the application go where it wants again', async () => {
    expect(connect(1000, 1000, '10.96.8.8', 80)).toContain('15001');
    await removeRules({ netns: pod.path }, config);
    expect(connect(1000, 1000, '10.96.8.8', 80)).toBe('nobody');
  });
});
