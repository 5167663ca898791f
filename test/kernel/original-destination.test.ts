import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import type { SocketAddress } from '../../src/kernel/index.ts';
import { closeFd, decodeSockaddr, localAddress, openSocket, peerAddress, SysError, socketOption } from '../../src/kernel/index.ts';
import { libc } from '../../src/kernel/libc.ts';
import { counted, enrolPod } from '../support/enrolment.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { application, connectOn, endpoint, endpointText, fdOf, listen, proxy, root, socketAs } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const SOL_IP = 0;
const SOL_IPV6 = 41;
const ORIGINAL_DST = 80;

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
  await enrolPod(node.plane, network.pod);
  cleanup.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
  cleanup.use(await listen(network.pod, application, 'app', '[::]:8080', { dual: true }));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

/** The destination as getsockopt(2) gives it with room for `length` bytes, and the length that came back; or the errno. */
function ask(fd: number, level: number, length: number): { to: string; length: number } | string {
  try {
    const bytes = socketOption(fd, level, ORIGINAL_DST, length);
    return { to: endpointText(decodeSockaddr(bytes)), length: bytes.length };
  } catch (error) {
    if (error instanceof SysError) return error.errno;
    throw error;
  }
}

/** What the kernel answers without us: depends on whether netfilter's handlers are loaded on this machine. */
const unanswered = ['ENOENT', 'ENOPROTOOPT', 'EOPNOTSUPP', 'EINVAL'];

interface Ends {
  readonly client: number;
  /** The proxy's descriptor of the accepted connection. */
  readonly accepted: number;
}

/** Runs `look` with both ends of one connection to a listener of the proxy. */
async function withEnds(listener: string, dual: boolean, dialled: string, look: (ends: Ends) => void): Promise<void> {
  const address = endpoint(listener);
  const family = address.address.length === 4 ? 4 : 6;
  const fd = socketAs(network.pod, proxy, {
    family,
    type: 'tcp',
    bind: address,
    listen: 16,
    reuse: true,
    ...(family === 6 ? { v6only: !dual } : {}),
  });
  let server: Server | null = null;
  const accepted = new Promise<{ fd: number; end: () => void }>((resolve) => {
    server = createServer((socket) => resolve({ fd: fdOf(socket), end: () => socket.destroy() })).listen({ fd });
  });
  const client = socketAs(network.pod, application, { family: endpoint(dialled).address.length === 4 ? 4 : 6, type: 'tcp' });
  try {
    expect(await connectOn(client, dialled)).toBeNull();
    const { fd: end, end: finish } = await accepted;
    look({ client, accepted: end });
    finish();
  } finally {
    closeFd(client);
    await new Promise<void>((resolve) => (server as Server | null)?.close(() => resolve()));
  }
}

describe('SO_ORIGINAL_DST of the proxy', () => {
  it.each([16, 20, 28, 128, 4096])('mr_getsockopt() answers SOL_IP and leaves the length when there is room for %d bytes', async (room) => {
    await withEnds('0.0.0.0:15001', false, '203.0.113.5:80', ({ accepted }) => {
      expect(ask(accepted, SOL_IP, room)).toEqual({ to: '203.0.113.5:80', length: room });
      expect(unanswered).toContain(ask(accepted, SOL_IPV6, room));
    });
  });

  it.each([28, 128, 4096])('mr_getsockopt() answers SOL_IPV6 and leaves the length when there is room for %d bytes', async (room) => {
    await withEnds('[::]:15001', false, '[2001:db8::5]:80', ({ accepted }) => {
      expect(ask(accepted, SOL_IPV6, room)).toEqual({ to: '[2001:db8::5]:80', length: room });
      expect(unanswered).toContain(ask(accepted, SOL_IP, room));
    });
  });

  it('mr_getsockopt() answers and says how long the address is when there is room for more than a page', async () => {
    await withEnds('0.0.0.0:15001', false, '203.0.113.5:80', ({ accepted }) => {
      expect(ask(accepted, SOL_IP, 8192)).toEqual({ to: '203.0.113.5:80', length: 16 });
    });
    await withEnds('[::]:15001', false, '[2001:db8::5]:80', ({ accepted }) => {
      expect(ask(accepted, SOL_IPV6, 8192)).toEqual({ to: '[2001:db8::5]:80', length: 28 });
    });
  });

  it.each<[level: number, room: number, listener: string, dialled: string]>([
    [SOL_IP, 0, '0.0.0.0:15001', '203.0.113.5:80'],
    [SOL_IP, 4, '0.0.0.0:15001', '203.0.113.5:80'],
    [SOL_IP, 15, '0.0.0.0:15001', '203.0.113.5:80'],
    [SOL_IPV6, 16, '[::]:15001', '[2001:db8::5]:80'],
    [SOL_IPV6, 27, '[::]:15001', '[2001:db8::5]:80'],
  ])('mr_getsockopt() leaves the call to the kernel when level %d has room for %d bytes only', async (level, room, listener, dialled) => {
    await withEnds(listener, false, dialled, ({ accepted }) => {
      expect(unanswered).toContain(ask(accepted, level, room));
    });
  });

  it.each(['203.0.113.5:80', '[::ffff:203.0.113.5]:80'])(
    'mr_getsockopt() answers SOL_IP and not SOL_IPV6 when a listener of both families accepted %s',
    async (to) => {
      await withEnds('[::]:15001', true, to, ({ accepted }) => {
        expect(ask(accepted, SOL_IP, 128)).toEqual({ to: '203.0.113.5:80', length: 128 });
        expect(unanswered).toContain(ask(accepted, SOL_IPV6, 128));
      });
    },
  );

  it('getpeername() is the pod and getsockname() a local address when the proxy asks', async () => {
    await withEnds('0.0.0.0:15001', false, '203.0.113.5:80', ({ client, accepted }) => {
      expect(endpointText(peerAddress(accepted))).toBe(endpointText(localAddress(client)));
      expect(endpointText(peerAddress(accepted))).toMatch(/^10\.9\.0\.2:/);
      expect(endpointText(localAddress(accepted))).toMatch(/^127\.\d+\.\d+\.\d+:15001$/);
      expect(endpointText(peerAddress(client))).toBe('203.0.113.5:80');
    });
  });
});

describe('SO_ORIGINAL_DST of others', () => {
  it('mr_getsockopt() answers with what was dialled when the client asks', async () => {
    await withEnds('[::]:15001', true, '203.0.113.5:80', ({ client }) =>
      expect(ask(client, SOL_IP, 16)).toEqual({ to: '203.0.113.5:80', length: 16 }),
    );
    await withEnds('[::]:15001', true, '[::ffff:203.0.113.5]:80', ({ client }) =>
      expect(ask(client, SOL_IP, 16)).toEqual({ to: '203.0.113.5:80', length: 16 }),
    );
    await withEnds('[::]:15001', true, '[2001:db8::5]:80', ({ client }) =>
      expect(ask(client, SOL_IPV6, 28)).toEqual({ to: '[2001:db8::5]:80', length: 28 }),
    );
  });

  it.each<[what: string, to: string, level: number]>([
    ['the proxy dials another host', '10.9.0.1:80', SOL_IP],
    ['an application dials loopback', '127.0.0.1:8080', SOL_IP],
    ['an application dials its own address', '[fd00:9::2]:8080', SOL_IPV6],
  ])('mr_getsockopt() answers with the peer when the connection is not redirected: %s', async (what, to, level) => {
    const family = endpoint(to).address.length === 4 ? 4 : 6;
    const fd = socketAs(network.pod, what.startsWith('the proxy') ? proxy : application, { family, type: 'tcp' });
    expect(await connectOn(fd, to)).toBeNull();
    expect(ask(fd, level, 28)).toEqual({ to, length: 28 });
    closeFd(fd);
  });

  it('mr_getsockopt() leaves the call to the kernel when the socket is fresh, listens, is UDP, or is outside of any pod', () => {
    const fresh = socketAs(network.pod, application, { family: 4, type: 'tcp' });
    const listening = socketAs(network.pod, application, { family: 4, type: 'tcp', bind: endpoint('127.0.0.1:9000'), listen: 1 });
    const udp = socketAs(network.pod, application, { family: 4, type: 'udp', connect: endpoint('10.9.0.1:53') });
    const outside = openSocket({ family: 4, type: 'tcp' });
    for (const fd of [fresh, listening, udp, outside]) {
      expect(unanswered).toContain(ask(fd, SOL_IP, 16));
      closeFd(fd);
    }
  });

  it('mr_getsockopt() leaves the call to the kernel when a redirected socket was disconnected', async () => {
    await withEnds('0.0.0.0:15001', false, '203.0.113.5:80', ({ client }) => {
      // AF_UNSPEC
      expect(libc().connect(client, Buffer.alloc(16), 16)).toBe(0);
      expect(unanswered).toContain(ask(client, SOL_IP, 16));
      expect(() => peerAddress(client)).toThrow(/ENOTCONN/);
    });
  });
});

describe('other options', () => {
  it('are the kernel’s own when a pod’s socket is asked for them, whatever their size', async () => {
    await withEnds('0.0.0.0:15001', false, '203.0.113.5:80', ({ accepted }) => {
      const tcpInfo = socketOption(accepted, 6, 11, 8192);
      expect(tcpInfo.length).toBeGreaterThan(200);
      // TCP_ESTABLISHED is the first byte of struct tcp_info
      expect(tcpInfo[0]).toBe(1);
      expect(socketOption(accepted, 1, 3, 4).readInt32LE(0)).toBe(1);
      expect(socketOption(accepted, 1, 39, 4).readInt32LE(0)).toBe(2);
      // optname 80 at other levels is not ours: SO_RCVMARK of SOL_SOCKET is 75, 80 is SO_DEVMEM_LINEAR or unknown
      expect(ask(accepted, 6, 128)).toBe('ENOPROTOOPT');
      expect(socketOption(accepted, 0, 1, 4).readInt32LE(0)).toBe(0);
    });
    const unix = libc().socket(1, 1, 0);
    const credentials = socketOption(unix, 1, 17, 12);
    expect([credentials.readInt32LE(0), credentials.readUInt32LE(4)]).toEqual([0, 0xffffffff]);
    closeFd(unix);
  });

  it('are not counted as answers', async () => {
    const fd = socketAs(network.pod, application, { family: 4, type: 'tcp' });
    expect(await counted(node.plane, 'ORIGIN_ANSWERED', async () => ask(fd, 6, 128))).toBe(0);
    closeFd(fd);
  });
});

/** Accepted by the application itself: no proxy, no storage, its own address. */
describe('an accepted connection that nobody redirected', () => {
  it('mr_getsockopt() answers with the address that was dialled', async () => {
    const fd = socketAs(network.pod, application, { family: 4, type: 'tcp', bind: endpoint('0.0.0.0:15020'), listen: 4 });
    const seen: (SocketAddress | null)[] = [];
    const server = createServer((socket) => {
      seen.push(decodeSockaddr(socketOption(fdOf(socket), SOL_IP, ORIGINAL_DST, 16)));
      socket.destroy();
    }).listen({ fd });
    const client = socketAs(network.outside, root, { family: 4, type: 'tcp' });
    expect(await connectOn(client, '10.9.0.22:15020')).toBeNull();
    await expect.poll(() => seen.map(endpointText)).toEqual(['10.9.0.22:15020']);
    closeFd(client);
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
});
