import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileBpf } from '../../test/support/compile-bpf.ts';
import { scratchBpffs, scratchCgroup, scratchNetns } from '../../test/support/scratch-kernel.ts';
import { programQuery } from './bpf-programs.ts';
import { cgroupId, findCgroup2, openCgroup } from './cgroup.ts';
import { mapCodec, u32, u64 } from './codec.ts';
import { closeFd } from './libc.ts';
import { Link } from './link.ts';
import type { NetnsHandle } from './netns.ts';
import { inNetns, socketIn } from './netns.ts';
import { BpfObject } from './object.ts';
import { patchConstant64 } from './patch-instructions.ts';
import { FdPoller } from './poller.ts';
import { Program } from './program.ts';
import { waitConnected } from './sockets.ts';

const run = promisify(execFile);
const loopback = Uint8Array.of(127, 0, 0, 1);
const deniedPort = 17;
let object: BpfObject;

beforeAll(async () => {
  object = await BpfObject.load(compileBpf('bpf/tests/kernel_objects.bpf.c'), { name: 'links', rodata: { redirected_port: 7777 } });
});

afterAll(() => object.close());

/** What connect() says to a process of the cgroup: ECONNREFUSED when nothing forbids it, since nobody listens there. */
async function connectInside(cgroup: string): Promise<string> {
  const script = `require('net').connect(${deniedPort}, '127.0.0.1').on('error', (error) => console.log(error.code))`;
  const shell = 'echo $$ > "$1/cgroup.procs" && exec "$2" -e "$3"';
  const { stdout } = await run('/bin/sh', ['-c', shell, 'sh', cgroup, process.execPath, script]);
  return stdout.trim();
}

const runsOf = (index: number): number => {
  using runs = object.map('runs', mapCodec(u32, u64));
  return Number((runs.getPerCpu(index) ?? []).reduce((sum, value) => sum + value, 0n));
};

test('attachCgroup() acts on processes of the cgroup, update() replaces the program and detach() ends it', async () => {
  using cgroup = scratchCgroup();
  const one = object.program('connect4_one');
  const two = object.program('connect4_two');
  expect(await connectInside(cgroup.path)).toBe('ECONNREFUSED');
  using link = one.attachCgroup(cgroup.path, 'CGROUP_INET4_CONNECT');
  expect(link.info()).toMatchObject({
    type: 'CGROUP',
    attachType: 'CGROUP_INET4_CONNECT',
    programId: one.id,
    target: { kind: 'cgroup', cgroupId: cgroupId(cgroup.path) },
  });
  expect(await connectInside(cgroup.path)).toBe('EPERM');
  const before = runsOf(2);
  link.update(two, one);
  expect(link.info().programId).toBe(two.id);
  expect(await connectInside(cgroup.path)).toBe('ECONNREFUSED');
  expect(runsOf(2)).toBe(before + 1);
  expect(() => link.update(two, one)).toThrow(expect.objectContaining({ errno: 'EPERM' }));
  link.detach();
  expect(link.info().target).toEqual({ kind: 'detached' });
  expect(await connectInside(cgroup.path)).toBe('ECONNREFUSED');
  expect(runsOf(2)).toBe(before + 1);
});

test('close() detaches what is not pinned; pin() keeps it until unpin()', () => {
  using cgroup = scratchCgroup();
  using bpffs = scratchBpffs();
  const path = join(bpffs.path, 'link');
  const fd = openCgroup(cgroup.path);
  const attached = (): number[] => programQuery(fd, 'CGROUP_INET4_CONNECT');
  try {
    const link = object.program('connect4_one').attachCgroup(fd, 'CGROUP_INET4_CONNECT');
    expect(attached()).toEqual([object.program('connect4_one').id]);
    link.pin(path);
    expect(link.pinnedAt).toBe(path);
    link.close();
    link.close();
    expect(attached()).toHaveLength(1);
    const again = Link.open(path);
    again.update(object.program('connect4_two'));
    expect(attached()).toEqual([object.program('connect4_two').id]);
    again.unpin();
    again.unpin();
    expect(existsSync(path)).toBe(false);
    expect(attached()).toHaveLength(1);
    again.close();
    expect(attached()).toEqual([]);
    expect(() => again.info()).toThrow('closed');
    expect(() => Link.open(path)).toThrow(expect.objectContaining({ errno: 'ENOENT' }));
  } finally {
    closeFd(fd);
  }
});

test('attachCgroup() refuses the root cgroup by path and by descriptor, and what is no cgroup', () => {
  const program = object.program('connect4_one');
  expect(() => program.attachCgroup(findCgroup2(), 'CGROUP_INET4_CONNECT')).toThrow('root cgroup');
  expect(() => program.attachCgroup('/tmp', 'CGROUP_INET4_CONNECT')).toThrow('no cgroup v2');
  expect(() => program.attachCgroup('/nowhere', 'CGROUP_INET4_CONNECT')).toThrow('does not open');
});

test('attachTcx() attaches to an interface of another namespace when it is called inside', () => {
  using netns = scratchNetns();
  using link = inNetns(netns.handle, () => object.program('emit').attachTcx(1, 'ingress'));
  expect(link.info()).toMatchObject({ type: 'TCX', attachType: 'TCX_INGRESS', target: { kind: 'tcx', interfaceIndex: 1 } });
  link.update(object.program('wide'));
  expect(link.info().programId).toBe(object.program('wide').id);
});

test('attachSockmap() attaches to a map, which info() names', () => {
  using map = object.map('listeners');
  using link = object.program('message').attachSockmap(map);
  expect(link.info()).toMatchObject({ type: 'SOCKMAP', attachType: 'SK_MSG_VERDICT', target: { kind: 'sockmap', mapId: map.info.id } });
});

function serve(netns: NetnsHandle, answer: string): Promise<{ server: Server; fd: number }> {
  const fd = socketIn(netns, { family: 4, type: 'tcp', bind: { address: loopback, port: 8080 }, listen: 16 });
  const server = createServer((socket: Socket) => socket.end(answer));
  return new Promise((resolve) => server.listen({ fd }, () => resolve({ server, fd })));
}

async function ask(netns: NetnsHandle, port: number, poller: FdPoller): Promise<string> {
  const fd = socketIn(netns, { family: 4, type: 'tcp', connect: { address: loopback, port } });
  await waitConnected(fd, poller).catch((error: unknown) => {
    closeFd(fd);
    throw error;
  });
  const { Socket } = await import('node:net');
  let text = '';
  for await (const chunk of new Socket({ fd })) text += String(chunk);
  return text;
}

test('attachNetns() steers each namespace to its own listener when the constant is patched for each', async () => {
  using poller = new FdPoller();
  using listeners = object.map('listeners', mapCodec(u64, u64));
  const instructions = object.instructions('lookup');
  const steer = async (netns: NetnsHandle): Promise<Link> => {
    using program = await Program.loadRaw({
      type: 'SK_LOOKUP',
      expectedAttachType: 'SK_LOOKUP',
      name: 'steer',
      license: 'GPL',
      instructions: patchConstant64(instructions, 0x4d494c4c52414345n, netns.cookie),
    });
    return program.attachNetns(netns);
  };
  using first = scratchNetns();
  using second = scratchNetns();
  const servers = await Promise.all([serve(first.handle, 'first'), serve(second.handle, 'second')]);
  try {
    using firstLink = await steer(first.handle);
    using secondLink = await steer(second.handle);
    expect(firstLink.info()).toMatchObject({
      type: 'NETNS',
      attachType: 'SK_LOOKUP',
      target: { kind: 'netns', inode: Number(first.handle.inode) },
    });
    expect(secondLink.info().target).not.toEqual(firstLink.info().target);
    // no listener is known yet: closed, not passed by
    await expect(ask(first.handle, 7777, poller)).rejects.toMatchObject({ errno: 'ECONNREFUSED' });
    for (const [index, netns] of [first.handle, second.handle].entries()) listeners.set(netns.cookie, BigInt(servers[index]?.fd ?? -1));
    expect(await ask(first.handle, 7777, poller)).toBe('first');
    expect(await ask(second.handle, 7777, poller)).toBe('second');
    expect(await ask(first.handle, 8080, poller)).toBe('first');
  } finally {
    for (const { server } of servers) server.close();
  }
});
