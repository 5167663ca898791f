import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bindSocket, closeFd, localAddress } from '../../src/kernel/index.ts';
import { acceptSocket } from '../../src/kernel/socket-io.ts';
import { listenSocket, setSocketNumber } from '../../src/kernel/sockets.ts';
import type { Arena, Redirector } from '../support/arena.ts';
import { createArena, redirectors, server, server6 } from '../support/arena.ts';
import { application, connectOn, dial, endpoint, listen, proxy, root, socketAs } from '../support/tcp.ts';

let arena: Arena;

const start = async (redirector: Redirector, backend: 'sk_lookup' | 'bind' = 'sk_lookup') => {
  arena = await createArena(redirector, { withoutProxy: true, enrolment: { backend } });
};
const stranger = (at: string) => listen(arena.network.pod, application, 'stranger', at, { dual: true });
const proxyAt = (at: string) => listen(arena.network.pod, proxy, 'proxy', at, { dual: true });
const answerTo = async (to: string) => (await dial(arena.network.pod, application, to)).answer;
const answerFromOutside = async (to: string) => (await dial(arena.network.outside, root, to)).answer;

afterEach(() => arena[Symbol.asyncDispose]());

describe.each(redirectors)('an application that wants the place of the proxy (%s)', (redirector) => {
  beforeEach(() => start(redirector));

  // iptables rewrites to a port, whoever has it; the programs go by the socket's maker
  const caught = redirector === 'ebpf' ? 'ECONNREFUSED' : 'stranger';

  it.each(['[::]', '0.0.0.0'])('keeps the proxy from starting when it is first on %s', async (address) => {
    await using first = await stranger(`${address}:15001`);
    await using _inbound = await stranger(`${address}:15006`);
    await expect(proxyAt(`${address}:15001`)).rejects.toMatchObject({ errno: 'EADDRINUSE' });
    expect(await answerTo(`${server}:80`)).toBe(caught);
    expect(await answerFromOutside('10.9.0.2:8080')).toBe(caught);
    expect(first.accepted.length).toBe(redirector === 'ebpf' ? 0 : 1);
  });

  it('cannot listen beside the proxy with SO_REUSEPORT', async () => {
    await using _proxy = await proxyAt('[::]:15001');
    for (const address of ['[::]', '0.0.0.0', '127.0.0.1', '10.9.0.2', '127.128.0.1', '[::1]', '[fd00:9::2]'])
      await expect(stranger(`${address}:15001`)).rejects.toMatchObject({ errno: 'EADDRINUSE' });
    expect(await answerTo(`${server}:80`)).toBe('proxy');
  });

  it('gets nothing on other addresses of the port when the proxy is on 127.0.0.1 alone', async () => {
    await using _outbound = await proxyAt('127.0.0.1:15001');
    await using _inbound = await proxyAt('127.0.0.1:15006');
    const strangers = [];
    for (const address of ['10.9.0.2', '10.9.0.22', '127.128.0.1', '[fd00:9::2]'])
      for (const port of [15001, 15006]) strangers.push(await stranger(`${address}:${port}`));
    expect(await answerTo(`${server}:80`)).toBe('proxy');
    expect(await answerTo(`[::ffff:${server}]:80`)).toBe('proxy');
    // a captured port comes in on the pod's address under iptables, where the stranger sits
    expect(await answerFromOutside('10.9.0.2:8080')).toBe(redirector === 'ebpf' ? 'proxy' : 'stranger');
    expect(await answerTo(`[${server6}]:80`)).toBe('ECONNREFUSED');
    for (const listener of strangers) await listener[Symbol.asyncDispose]();
  });
});

describe('an application that sits on the addresses that redirected connections are spread over', () => {
  beforeEach(() => start('ebpf'));

  it('gets none of them, before the proxy is there and after', async () => {
    let spread = '';
    let spread6 = '';
    {
      await using probe = await proxyAt('[::]:15001');
      await answerTo(`${server}:80`);
      await answerTo(`[${server6}]:80`);
      [spread = '', spread6 = ''] = probe.accepted.map(({ local }) => local);
    }
    expect(spread).toMatch(/^\[::ffff:127\.\d+\.\d+\.\d+\]:15001$/);
    expect(spread6).toMatch(/^\[fd6d:/);
    // exactly where the connection to this server is sent
    const strangers = [freeListener(spread), freeListener(spread6)];
    expect(await answerTo(`${server}:80`)).toBe('ECONNREFUSED');
    expect(await answerTo(`[${server6}]:80`)).toBe('ECONNREFUSED');
    await using _proxy = await proxyAt('127.0.0.1:15001');
    await using _proxy6 = await proxyAt('[::1]:15001');
    expect(await answerTo(`${server}:80`)).toBe('proxy');
    expect(await answerTo(`[${server6}]:80`)).toBe('proxy');
    for (const fd of strangers) {
      expect(acceptSocket(fd)).toBeNull();
      closeFd(fd);
    }
  });
});

describe('an application where binds are rewritten and nothing looks sockets up', () => {
  beforeEach(() => start('ebpf', 'bind'));

  it('gets nothing in the place of a proxy that is not there, on all addresses or on loopback', async () => {
    for (const address of ['0.0.0.0', '[::]', '127.0.0.1', '10.9.0.2']) {
      await using _stranger = await stranger(`${address}:15001`);
      expect([address, await answerTo(`${server}:80`)]).toEqual([address, 'ECONNREFUSED']);
    }
  });

  it('gets one connection on the very address that this one is sent to, where no proxy is', async () => {
    let spread = '';
    {
      await using probe = await proxyAt('0.0.0.0:15001');
      await answerTo(`${server}:80`);
      spread = probe.accepted[0]?.local ?? '';
    }
    const fd = freeListener(spread);
    const client = socketAs(arena.network.pod, application, { family: 4, type: 'tcp' });
    expect(await connectOn(client, `${server}:80`)).toBeNull();
    expect(await answerTo(`${server}:81`)).toBe('ECONNREFUSED');
    for (const open of [client, fd]) closeFd(open);
  });

  it('is reached from outside past the proxy on a port that the kernel chose, which nothing there moves', async () => {
    {
      await using _app = await stranger('10.9.0.2:8080');
      expect(await answerFromOutside('10.9.0.2:8080')).toBe('ECONNREFUSED');
    }
    const fd = freeListener('10.9.0.2:0');
    const { port } = localAddress(fd) ?? { port: 0 };
    const client = socketAs(arena.network.outside, root, { family: 4, type: 'tcp' });
    expect(await connectOn(client, `10.9.0.2:${port}`)).toBeNull();
    closeFd(client);
    closeFd(fd);
  });
});

/** A listening socket of the application at any address: IPV6_FREEBIND needs no right. The caller closes it. */
function freeListener(at: string): number {
  const address = endpoint(at);
  const family = address.address.length === 4 ? 4 : 6;
  const fd = socketAs(arena.network.pod, application, { family, type: 'tcp', reuse: true });
  setSocketNumber(fd, family === 4 ? 0 : 41, family === 4 ? 15 : 78, 1, 'FREEBIND');
  bindSocket(fd, address);
  listenSocket(fd, 8);
  return fd;
}
