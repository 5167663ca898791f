import { execFile } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { closeFd, pidfdGetFd, pidfdOpen } from '../../src/kernel/index.ts';
import { passDescriptor } from '../../src/kernel/socket-io.ts';
import type { Arena } from '../support/arena.ts';
import { createArena, redirectors, server } from '../support/arena.ts';
import { startListening } from '../support/listening-process.ts';
import { application, asIdentity, dialOn, proxy, root, socketAs } from '../support/tcp.ts';

const tcp = { family: 4, type: 'tcp' } as const;
const target = `${server}:80`;

describe.each(redirectors)('an application that wants to be taken for the proxy (%s)', (redirector) => {
  const cleanup = new Cleanup();
  let arena: Arena;
  let directory: string;

  beforeAll(async () => {
    arena = cleanup.use(await createArena(redirector));
    directory = mkdtempSync(join(tmpdir(), 'millrace-attack-'));
    cleanup.defer(() => rmSync(directory, { recursive: true }));
    chmodSync(directory, 0o755);
  });

  afterAll(() => cleanup[Symbol.asyncDispose]());

  /** What a program of the pod gets to read, started by uid 1000. */
  const readBy = async (...command: readonly string[]): Promise<string> => {
    const enter = [`--net=${arena.network.pod.path}`, '--setuid', '1000', '--setgid', '1000', '--'];
    const reading = promisify(execFile)('nsenter', [...enter, ...command], { timeout: 5000 });
    reading.child.stdin?.end();
    return (await reading).stdout;
  };
  const curl = ['-s', '-m', '3', `telnet://${target}`];

  it.each([
    ['sets SO_MARK to the marks that Istio uses', 1337],
    ['sets SO_MARK to the other one', 1338],
  ])('is captured when it %s', async (_what, mark) => {
    expect((await dialOn(socketAs(arena.network.pod, root, { ...tcp, mark }), target)).answer).toBe('outbound');
  });

  it('is captured when it becomes uid and gid 1337 after it has made its socket', async () => {
    expect((await dialOn(socketAs(arena.network.pod, application, tcp), target, proxy)).answer).toBe('outbound');
  });

  it('is captured when it is in the group 1337 besides its own', async () => {
    const member = { ...application, groups: [1337] };
    expect((await dialOn(socketAs(arena.network.pod, member, tcp), target, member)).answer).toBe('outbound');
  });

  it('is captured when it calls itself 1337 in a user namespace of its own', async () => {
    expect(await readBy('curl', ...curl)).toBe('outbound');
    expect(await readBy('unshare', '--user', '--map-user', '1337', '--map-group', '1337', 'curl', ...curl)).toBe('outbound');
    expect(await readBy('unshare', '--user', '--map-root-user', 'curl', ...curl)).toBe('outbound');
  });

  it('is direct when it runs a program that is set-uid to the proxy: such a program must not be in the image', async () => {
    const helper = join(directory, 'helper');
    copyFileSync('/usr/bin/curl', helper);
    chownSync(helper, 1337, 1337);
    chmodSync(helper, 0o4755);
    expect(await readBy(helper, ...curl)).toBe('real');
  });

  it('gets what it is given: a socket counts for its maker and its namespace, whoever passes it on', async () => {
    expect((await dialOn(passDescriptor(socketAs(arena.network.pod, application, tcp)), target, proxy)).answer).toBe('outbound');
    expect((await dialOn(passDescriptor(socketAs(arena.network.outside, application, tcp)), target, application)).answer).toBe('real');
    expect((await dialOn(passDescriptor(socketAs(arena.network.pod, proxy, tcp)), target, application)).answer).toBe('real');
  });

  it('cannot fetch a socket of the proxy out of its process', async () => {
    await using victim = await startListening(arena.network.pod, proxy, 'victim', ['127.0.0.1:18080']);
    const pidfd = pidfdOpen(victim.pid);
    for (const fd of [0, 3, 18, 20]) expect(() => asIdentity(application, () => pidfdGetFd(pidfd, fd))).toThrow('EPERM');
    closeFd(pidfd);
  });
});
