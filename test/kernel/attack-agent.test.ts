import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callUnixSocket } from '../../src/api/client.ts';
import { instancePaths } from '../../src/api/paths.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { findCgroup2, moveToCgroup } from '../../src/kernel/index.ts';
import type { PodRequest } from '../../src/pods/types.ts';
import { findProgram, llvmNames } from '../../tools/find-program.mjs';
import type { AgentInstance, AgentProcess } from '../support/agent-process.ts';
import { createAgentInstance } from '../support/agent-process.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { application, asIdentity } from '../support/tcp.ts';

const cleanup = new Cleanup();
let instance: AgentInstance;
let agent: AgentProcess;
let network: PodNetwork;
let directory: string;
let socketPath: string;

beforeAll(async () => {
  instance = cleanup.use(createAgentInstance());
  network = cleanup.use(await createPodNetwork());
  directory = mkdtempSync(join(tmpdir(), 'millrace-attack-'));
  cleanup.defer(() => rmSync(directory, { recursive: true }));
  chmodSync(directory, 0o755);
  const home = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
  agent = instance.start();
  await agent.ready();
  socketPath = instancePaths(instance.name).agentSocket;
  moveToCgroup(instance.cgroup, process.pid);
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const pod = (wanted: Partial<PodRequest>): PodRequest => {
  const { path } = network.pod;
  return { name: 'test/pod', netns: path, labels: {}, annotations: {}, uidMap: null, meshed: true, backend: 'sk_lookup', ...wanted };
};

/** Sends bytes as they are and gives the first line of what comes back. */
const raw = (bytes: string | Buffer) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(socketPath, () => socket.write(bytes));
    let text = '';
    socket.on('data', (data) => {
      text += data.toString();
      if (text.includes('\r\n')) socket.destroy();
    });
    socket.on('close', () => resolve(text.split('\r\n')[0] ?? ''));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EPIPE' || error.code === 'ECONNRESET' ? resolve(text) : reject(error),
    );
  });

describe('hostile input to the agent', () => {
  it.each(['../../etc/passwd', 'a/../b', 'a/b/c', '.', '..', '-', 'A', 'a b', 'a\nb', 'a\0b', '%2e%2e', 'ä', 'x'.repeat(254), ''])(
    'enrols no pod with the name %j',
    async (name) => {
      await expect(agent.client.enrol(pod({ name }))).rejects.toThrow(/pod name|request is wrong/);
    },
  );

  it('does not hang on, or take, what is no network namespace or is not a pod’s', async () => {
    const fifo = join(directory, 'fifo');
    execFileSync('sh', ['-c', 'mkfifo "$0"', fifo]);
    symlinkSync(fifo, join(directory, 'link'));
    symlinkSync(join(directory, 'loop'), join(directory, 'loop'));
    const paths = [
      fifo,
      join(directory, 'link'),
      join(directory, 'loop'),
      directory,
      '/etc/passwd',
      '/dev/zero',
      '/dev/tty',
      '/nowhere',
      '/proc/self/ns/mnt',
    ];
    for (const netns of [...paths, `/run/netns/${'../'.repeat(20)}etc/passwd`])
      await expect(agent.client.enrol(pod({ netns }), { timeoutMs: 2000 })).rejects.toThrow('as a network namespace because it is none');
    for (const netns of ['/proc/1/ns/net', '/proc/self/ns/net', `/proc/${agent.pid}/ns/net`])
      await expect(agent.client.enrol(pod({ netns }), { timeoutMs: 2000 })).rejects.toThrow(
        /its network namespace is the|as a network namespace because/,
      );
    expect(await agent.client.pods()).toEqual([]);
  });

  it.each([
    ['no JSON', 'PUT /v1/pods HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n{{{{{', /^HTTP\/1.1 400/],
    ['a path that is not UTF-8', 'DELETE /v1/pods/%ff%fe HTTP/1.1\r\nhost: x\r\n\r\n', /^HTTP\/1.1 400/],
    ['a path upwards', 'GET /v1/../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n', /^HTTP\/1.1 404/],
    ['names of an object’s own', 'GET /constructor HTTP/1.1\r\nhost: x\r\n\r\n', /^HTTP\/1.1 404/],
    ['no HTTP', `${'\0'.repeat(1000)}\r\n\r\n`, /^HTTP\/1.1 400/],
    ['headers without end', `GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(20_000)}\r\n`, /^HTTP\/1.1 431/],
    [
      'ten thousand brackets',
      `PUT /v1/pods HTTP/1.1\r\nhost: x\r\ncontent-length: 20000\r\n\r\n${'['.repeat(10_000)}${']'.repeat(10_000)}`,
      /^HTTP\/1.1 400/,
    ],
    ['services that are none', 'PUT /v1/services HTTP/1.1\r\nhost: x\r\ncontent-length: 14\r\n\r\n[{"port":1e99}]', /^HTTP\/1.1 400/],
  ])('is refused when it is %s', async (_what, bytes, status) => {
    expect(await raw(bytes)).toMatch(status);
    expect((await agent.client.status()).pid).toBe(agent.pid);
  });

  it('is cut off when it is larger than 32 MiB', async () => {
    const body = { ...pod({}), labels: { x: 'y'.repeat(33 * 1024 * 1024) } };
    await expect(callUnixSocket(socketPath, 'PUT', '/v1/pods', body)).rejects.toThrow();
    expect((await agent.client.status()).pid).toBe(agent.pid);
  });

  it('keeps nobody waiting while two hundred callers send half of a call', async () => {
    const half = Array.from({ length: 200 }, () => {
      const socket = connect(socketPath, () => socket.write('PUT /v1/pods HTTP/1.1\r\ncontent-length: 100\r\n\r\n{'));
      socket.on('error', () => undefined);
      return socket;
    });
    const started = performance.now();
    await agent.client.status();
    expect(performance.now() - started).toBeLessThan(1000);
    for (const socket of half) socket.destroy();
  });

  it('comes from root alone', () => {
    expect(() => asIdentity(application, () => execFileSync('curl', ['-s', '--unix-socket', socketPath, 'http://x/v1/status']))).toThrow();
    const enter = ['--reuid', '1000', '--regid', '1000', '--clear-groups', 'curl', '-s', '--unix-socket', socketPath, 'http://x/v1/status'];
    expect(() => execFileSync('setpriv', enter)).toThrow();
  });
});

describe('a storm of connections', () => {
  it('costs the agent nothing: it is not in their path', async () => {
    await agent.client.enrol(pod({}));
    // without a proxy every connection is redirected and refused, which no stand-in could do as fast
    const storm = join(directory, 'storm');
    const source = new URL('../support/connect-storm.c', import.meta.url).pathname;
    execFileSync(findProgram(llvmNames('clang')) ?? 'clang', ['-O2', '-Wall', '-Werror', source, '-o', storm], { stdio: 'pipe' });
    const before = ticksOf(agent.pid);
    const enter = [`--net=${network.pod.path}`, '--setuid', '1000', '--setgid', '1000', '--'];
    const { stdout } = await promisify(execFile)('nsenter', [...enter, storm, '203.0.113.5', '80', '2000']);
    const spent = ticksOf(agent.pid) - before;
    process.stdout.write(
      `storm: ${Math.round(Number(stdout) / 2)} connections a second, ${spent * 10} ms of the agent's processor time in 2 s\n`,
    );
    expect(Number(stdout)).toBeGreaterThan(10_000);
    // ticks of 10 ms: a look at the tables every three seconds is all that it does
    expect(spent).toBeLessThan(20);
    const { maps, lostEvents } = await agent.client.status();
    expect(lostEvents).toBe(0);
    expect(maps.find(({ name }) => name === 'mr_handovers')?.entries).toBe(0);
  });
});

/** User and system time of a process, in ticks of 10 ms (proc(5), fields 14 and 15). */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
