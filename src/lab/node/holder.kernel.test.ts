import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Scratch } from '../../../test/support/scratch-kernel.ts';
import { scratchCgroup } from '../../../test/support/scratch-kernel.ts';
import { killCgroup, socketIn } from '../../kernel/index.ts';
import { parseIp } from '../../pods/address.ts';
import { podAddresses } from '../plan/addresses.ts';
import type { Holder } from './holder.ts';
import { startHolder } from './holder.ts';
import { nodeNetworkBatch, nodeSideBatch, podNetworkBatch } from './network-script.ts';
import { connectIn } from './sockets.ts';

const signal = new AbortController().signal;
const one = podAddresses(2);
const two = podAddresses(3);
let cgroup: Scratch;
let node: Holder;
let holders: Holder[];

beforeEach(async () => {
  cgroup = scratchCgroup();
  const sysctls = { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' };
  node = await startHolder({ hostname: 'node', cgroup: cgroup.path, sysctls, batch: nodeNetworkBatch(true), other: null }, signal);
  holders = [node];
  for (const pod of [one, two]) {
    const other = { pid: node.pid, batch: nodeSideBatch(pod, true) };
    holders.push(
      await startHolder({ hostname: 'pod', cgroup: cgroup.path, sysctls: {}, batch: podNetworkBatch(pod, node.pid, true), other }, signal),
    );
  }
});

afterEach(async () => {
  await Promise.all(holders.map((holder) => holder.close()));
  await killCgroup(cgroup.path);
  cgroup[Symbol.dispose]();
});

function holderOf(index: number): Holder {
  const holder = holders[index];
  if (holder === undefined) throw new Error(`no holder ${index}`);
  return holder;
}

async function listen(holder: Holder, address: string): Promise<Server> {
  const ip = parseIp(address);
  if (ip === null) throw new Error(address);
  const server = createServer((socket) => socket.end(`${socket.remoteAddress}`));
  server.listen({ fd: socketIn(holder.netns, { type: 'tcp', family: ip.family, bind: { address: ip.bytes, port: 80 }, listen: 8 }) });
  await once(server, 'listening');
  return server;
}

test.each([
  [4, one.ipv4, two.ipv4],
  [6, one.ipv6, two.ipv6],
] as const)('pods reach each other through the node with their own addresses when the family is IPv%i', async (_family, from, to) => {
  const server = await listen(holderOf(2), to);
  const socket = connectIn(holderOf(1).netns, to, 80);
  const [seen] = await once(socket, 'data');
  expect(String(seen)).toBe(from);
  socket.destroy();
  server.close();
});

test('a virtual address that nobody translates fails at once instead of hanging', async () => {
  const socket = connectIn(holderOf(1).netns, '10.96.44.44', 80);
  const [error] = await once(socket, 'error');
  expect(error).toMatchObject({ code: 'EHOSTUNREACH' });
});

test('startHolder() throws LAB_COMMAND_FAILED with the words of the command that failed', async () => {
  const failing = startHolder({ hostname: 'bad', cgroup: cgroup.path, sysctls: {}, batch: 'link set nothing up\n', other: null }, signal);
  await expect(failing).rejects.toMatchObject({ code: 'LAB_COMMAND_FAILED', message: expect.stringContaining('nothing') });
});

test('the namespaces are those of the holder alone, and gone with it', async () => {
  expect(readlinkSync(node.netns)).not.toBe(readlinkSync('/proc/self/ns/net'));
  await node.close();
  expect(() => readlinkSync(node.netns)).toThrow(/ENOENT/);
});
