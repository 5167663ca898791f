import { execFile, spawn } from 'node:child_process';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { closeFd } from '../../src/kernel/index.ts';
import { enrolPod } from '../support/enrolment.ts';
import type { PodNetwork, TestNetns } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Identity } from '../support/tcp.ts';
import { application, connectOn, dial, dialOn, listen, proxy, root, socketAs } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
  await enrolPod(node.plane, network.pod);
  cleanup.use(await listen(network.pod, proxy, 'outbound', '0.0.0.0:15001'));
  cleanup.use(await listen(network.pod, proxy, 'inbound', '0.0.0.0:15006'));
  cleanup.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const tcp4 = { family: 4, type: 'tcp' } as const;
const uidOnly: Identity = { uid: 1337, gid: 1000 };
const gidOnly: Identity = { uid: 1000, gid: 1337 };

describe('who a socket belongs to', () => {
  it.each<[row: string, maker: Identity, caller: Identity, answer: string]>([
    ['ID-01 made by root, connected by the proxy', root, proxy, 'outbound'],
    ['ID-02 made by the proxy, connected by an application', proxy, application, 'real'],
    ['ID-02 made by the proxy uid, connected by root', uidOnly, root, 'real'],
    ['ID-02 made by the proxy gid, connected by root', gidOnly, root, 'real'],
    ['ID-03 made with effective ids of the proxy and real ids of root', proxy, proxy, 'real'],
    ['ID-04 made by the proxy, passed to an application', proxy, application, 'real'],
    ['ID-04 made by an application, passed to the proxy', application, proxy, 'outbound'],
    [
      'ID-05 made with the proxy gid as a supplementary group',
      { ...application, groups: [1337] },
      { ...application, groups: [1337] },
      'outbound',
    ],
  ])('mr_connect() decides by the maker when a socket is %s', async (_row, maker, caller, answer) => {
    expect((await dialOn(socketAs(network.pod, maker, tcp4), '10.9.0.1:80', caller)).answer).toBe(answer);
  });

  it('mr_connect() decides by the maker at each connect() when one socket connects twice', async () => {
    const fd = socketAs(network.pod, proxy, tcp4);
    // nobody listens there: refused means that it went past the proxy
    expect(await connectOn(fd, '10.9.0.1:81', application)).toBe('ECONNREFUSED');
    // the call that the kernel ends a failed attempt with
    expect(await connectOn(fd, '10.9.0.1:80', application)).toBe('ECONNABORTED');
    expect((await dialOn(fd, '10.9.0.1:80', application)).answer).toBe('real');
    const other = socketAs(network.pod, application, tcp4);
    expect(await connectOn(other, '203.0.113.1:81', proxy)).toBeNull();
    closeFd(other);
  });
});

describe('a socket from before the pod was enrolled', () => {
  it.each<[who: string, maker: Identity, caller: Identity, answer: string]>([
    ['an application connects what the proxy made', proxy, application, 'real'],
    ['the proxy connects what an application made', application, proxy, 'outbound'],
  ])('mr_connect() decides by the maker when %s', async (_who, maker, caller, answer) => {
    await node.plane.release(network.pod.handle.cookie);
    const fd = socketAs(network.pod, maker, tcp4);
    await enrolPod(node.plane, network.pod);
    // listeners from before are not what this is about
    await using _again = await listen(network.pod, proxy, 'outbound', '0.0.0.0:15001');
    expect((await dialOn(fd, '10.9.0.1:80', caller)).answer).toBe(answer);
  });
});

/** A user namespace in which ids 0 to 9999 are the ids from `first` on outside; it lives as long as its holder. */
async function createUserNamespace(first: number): Promise<Disposable & { readonly path: string; readonly uidMap: string }> {
  const holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--user', '--', 'sleep', '600'], { stdio: 'ignore' });
  const proc = `/proc/${holder.pid}`;
  const ours = readlinkSync('/proc/self/ns/user');
  while (readlinkSync(`${proc}/ns/user`) === ours) await new Promise((resolve) => setTimeout(resolve, 2));
  writeFileSync(`${proc}/uid_map`, `0 ${first} 10000\n`);
  writeFileSync(`${proc}/gid_map`, `0 ${first} 10000\n`);
  return { path: `${proc}/ns/user`, uidMap: readFileSync(`${proc}/uid_map`, 'utf8'), [Symbol.dispose]: () => void holder.kill('SIGKILL') };
}

/** What a client process answers that runs under ids of a user namespace: text of the peer, or the errno. */
async function answerInside(pod: TestNetns, userNamespace: string, who: Identity): Promise<string> {
  const script =
    "const s = require('node:net').connect(80, '10.9.0.1'); s.on('data', (d) => process.stdout.write(d)); s.on('error', (e) => process.stdout.write(e.code))";
  const enter = [`--net=${pod.path}`, `--user=${userNamespace}`, '--setuid', String(who.uid), '--setgid', String(who.gid)];
  const { stdout } = await promisify(execFile)('nsenter', [...enter, '--', process.execPath, '-e', script], { timeout: 10_000 });
  return stdout;
}

describe('a pod with a user namespace (ID-06)', () => {
  it('mr_connect() knows the proxy by its id outside when the tables were made with the pod’s uid_map', async () => {
    using userNamespace = await createUserNamespace(200_000);
    using own = await createPodNetwork();
    await using _real = await listen(own.outside, root, 'real', '0.0.0.0:80');
    await enrolPod(node.plane, own.pod, { uidMap: userNamespace.uidMap });
    await using _outbound = await listen(own.pod, { uid: 201_337, gid: 201_337 }, 'outbound', '0.0.0.0:15001');
    expect(await answerInside(own.pod, userNamespace.path, proxy)).toBe('real');
    expect(await answerInside(own.pod, userNamespace.path, application)).toBe('outbound');
    // 1337 outside is nobody in this pod
    expect((await dial(own.pod, proxy, '10.9.0.1:80')).answer).toBe('outbound');
  });

  it('mr_connect() takes nobody for the proxy when the user namespace maps no such id', async () => {
    using own = await createPodNetwork();
    await using _real = await listen(own.outside, root, 'real', '0.0.0.0:80');
    await enrolPod(node.plane, own.pod, { uidMap: '0 200000 1000\n' });
    await using impostor = await listen(own.pod, proxy, 'impostor', '0.0.0.0:15001');
    // captured, and nobody may be the proxy that answers
    expect((await dial(own.pod, proxy, '10.9.0.1:80')).answer).toBe('ECONNREFUSED');
    expect(impostor.accepted).toEqual([]);
  });
});
