import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentClient } from '../../src/api/client.ts';
import { instancePaths } from '../../src/api/paths.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { launcherPath } from '../../src/base/project.ts';
import { findCgroup2, moveToCgroup } from '../../src/kernel/index.ts';
import { tracesOf } from '../support/instance-traces.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { ended, millrace, startProcess, until } from '../support/run-process.ts';
import { scratchBpffs, scratchCgroup } from '../support/scratch-kernel.ts';
import { application, dial, listen, proxy, root, socketAs } from '../support/tcp.ts';
import { instanceName } from '../support/test-lab.ts';

const instance = instanceName('agent');
const client = new AgentClient(instancePaths(instance).agentSocket);
const cleanup = new Cleanup();
let network: PodNetwork;
let agent: ChildProcess;
let place: readonly string[];
let pins: string;

async function startAgent(): Promise<void> {
  agent = startProcess(launcherPath(), ['agent', ...place]);
  const result = ended(agent);
  await Promise.race([
    until('the agent answers', () => client.status().catch(() => null)),
    result.then(({ stderr }) => Promise.reject(new Error(`the agent ended: ${stderr}`))),
  ]);
}

async function endAgent(signal: NodeJS.Signals): Promise<number> {
  const result = new Promise<number>((resolve) => agent.once('close', (code) => resolve(code ?? -1)));
  agent.kill(signal);
  return result;
}

function pods(verb: string, ...args: readonly string[]) {
  return millrace(['pod', verb, '--instance', instance, ...args]);
}

/** A pod that runs already, with a proxy that listens: this very process, in the agent's cgroup, with sockets in a namespace of its own. */
beforeAll(async () => {
  const cgroup = cleanup.use(scratchCgroup());
  const bpffs = cleanup.use(scratchBpffs());
  pins = bpffs.path;
  place = ['--instance', instance, '--cgroup', cgroup.path, '--pins', pins];
  const before = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  moveToCgroup(cgroup.path, process.pid);
  cleanup.defer(async () => writeFileSync(join(before, 'cgroup.procs'), String(process.pid)));
  network = cleanup.use(await createPodNetwork());
  cleanup.defer(async () => {
    if (agent.exitCode === null && agent.signalCode === null) await endAgent('SIGKILL');
    await millrace(['agent', '--remove', ...place]);
  });
  await startProxy(cgroup.path);
  cleanup.use(await listen(network.pod, application, 'application', '10.9.0.2:8080'));
  cleanup.use(await listen(network.outside, root, 'outside', '10.9.0.1:80'));
  cleanup.use(await listen(network.outside, root, 'other outside', '10.9.0.1:5432'));
  await startAgent();
});

afterAll(() => cleanup[Symbol.asyncDispose]());

/** A process of the pod's own, as the proxy's user: the agent looks for listeners that are there already where processes live. */
async function startProxy(cgroup: string): Promise<void> {
  const script = `const { createServer } = require('node:net');
    const answer = (name) => createServer((socket) => socket.end(name));
    answer('outbound').listen(15001, '::', () => answer('inbound').listen(15006, '::', () => console.log('listening')));`;
  const enter = 'echo $$ > "$0/cgroup.procs"; exec nsenter --net="$1" setpriv --reuid 1337 --regid 1337 --clear-groups "$2" -e "$3"';
  const child = startProcess('sh', ['-c', enter, cgroup, network.pod.path, process.execPath, script]);
  const result = ended(child);
  cleanup.defer(async () => {
    child.kill('SIGKILL');
    await result;
  });
  await Promise.race([
    once(child.stdout ?? child, 'data'),
    result.then(({ stderr }) => Promise.reject(new Error(`the proxy ended: ${stderr}`))),
  ]);
}

/** What lies below the pins; the kernel's own two files are in every bpf file system. */
const pinned = () => readdirSync(pins).filter((name) => !name.endsWith('.debug'));

const outward = async () => (await dial(network.pod, application, '10.9.0.1:80')).answer;
const inward = async () => (await dial(network.outside, root, '10.9.0.2:8080')).answer;

/** Says a word on a connection and gives the echo. */
function say(socket: Socket, word: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString()));
    socket.once('error', reject);
    socket.write(word);
  });
}

describe('pod add', () => {
  it('captures new connections of a pod that runs, and its old ones live', async () => {
    const echo = createServer((socket) => socket.pipe(socket));
    const fd = socketAs(network.outside, root, {
      family: 4,
      type: 'tcp',
      bind: { address: new Uint8Array([10, 9, 0, 1]), port: 7 },
      listen: 8,
    });
    await new Promise<void>((resolve) => echo.listen({ fd }, resolve));
    const old = new Socket({ fd: socketAs(network.pod, application, { family: 4, type: 'tcp' }) });
    await new Promise<void>((resolve) => old.connect(7, '10.9.0.1', resolve));
    expect([await say(old, 'before'), await outward(), await inward()]).toEqual(['before', 'outside', 'application']);

    const added = await pods(
      'add',
      'demo/web',
      '--netns',
      network.pod.path,
      '--annotation',
      'traffic.sidecar.istio.io/excludeOutboundPorts=5432',
    );
    expect(added).toMatchObject({ status: 0, stdout: expect.stringMatching(/^demo\/web enrolled, .*cookie \d+\n$/) });
    expect([await say(old, 'after'), await outward(), await inward()]).toEqual(['after', 'outbound', 'inbound']);
    expect((await dial(network.pod, application, '10.9.0.1:5432')).answer).toBe('other outside');
    expect((await dial(network.pod, proxy, '10.9.0.1:80')).answer).toBe('outside');
    old.destroy();
    await new Promise((resolve) => echo.close(resolve));
  });

  it.each([
    ['a namespace that is none', ['demo/x', '--netns', '/etc/passwd'], 1, /not a network namespace|\/etc\/passwd/],
    ['no namespace', ['demo/x'], 2, /--netns is missing/],
    ['a hostile name', ['../x', '--netns', 'NETNS'], 1, /"?\.\.\/x"?/],
    [
      'a broken annotation',
      ['demo/x', '--netns', 'NETNS', '--annotation', 'traffic.sidecar.istio.io/excludeOutboundPorts=many'],
      1,
      /excludeOutboundPorts/,
    ],
  ])('refuses %s', async (_what, args, status, message) => {
    const seen = await pods('add', ...args.map((arg) => (arg === 'NETNS' ? network.outside.path : arg)));
    expect(seen).toMatchObject({ status, stdout: '', stderr: expect.stringMatching(message) });
    expect((await client.pods()).map(({ name }) => name)).toEqual(['demo/web']);
  });
});

describe('agent', () => {
  it('lets redirection go on when it is killed, and the next one adopts it', async () => {
    const first = await client.status();
    expect(first.adopted).toBe(false);
    await endAgent('SIGKILL');
    expect([await outward(), await inward()]).toEqual(['outbound', 'inbound']);
    await startAgent();
    const second = await client.status();
    expect(second).toMatchObject({ adopted: true, pods: [{ name: 'demo/web', problems: [] }], drift: { repaired: 0 } });
    // The programs are replaced in place by those of the new build.
    expect(second.programs.map(({ name }) => name).sort()).toEqual(first.programs.map(({ name }) => name).sort());
    expect([await outward(), await inward()]).toEqual(['outbound', 'inbound']);
  });

  it('refuses to run twice', async () => {
    const { status, stderr } = await millrace(['agent', ...place]);
    expect({ status, code: /code {5}(\S+)/.exec(stderr)?.[1] }).toEqual({ status: 1, code: 'AGENT_RUNNING' });
  });

  it('lists and releases pods', async () => {
    const { stdout } = await pods('list', '-o', 'json');
    expect(JSON.parse(stdout)).toMatchObject([{ name: 'demo/web', addresses: ['10.9.0.2', '10.9.0.22', 'fd00:9::2'] }]);
    expect(await pods('remove', 'demo/web')).toMatchObject({ status: 0, stdout: 'demo/web released\n' });
    expect([await outward(), await inward()]).toEqual(['outside', 'application']);
    expect(await pods('remove', 'demo/web')).toMatchObject({ status: 1, stderr: expect.stringContaining('no such pod is enrolled') });
  });

  it('ends on SIGTERM, and --remove leaves nothing', async () => {
    expect(await endAgent('SIGTERM')).toBe(143);
    expect(pinned()).not.toEqual([]);
    expect(await millrace(['agent', '--remove', ...place])).toMatchObject({ status: 0 });
    expect([...pinned(), ...tracesOf(instance)]).toEqual([]);
  });
});
