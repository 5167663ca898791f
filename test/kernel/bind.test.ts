import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { closeFd, localAddress, SysError } from '../../src/kernel/index.ts';
import { counted, enrolPod } from '../support/enrolment.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Identity, Listener } from '../support/tcp.ts';
import { application, dial, endpoint, endpointText, listen, proxy, root, socketAs } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;
let outbound: Listener;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
  await enrolPod(node.plane, network.pod, { backend: 'bind' });
  outbound = cleanup.use(await listen(network.pod, proxy, 'outbound', '[::]:15001', { dual: true }));
});

beforeEach(() => enrolPod(node.plane, network.pod, { backend: 'bind' }));

afterAll(() => cleanup[Symbol.asyncDispose]());

/** Where a socket is after bind(2), or the errno. */
function bound(who: Identity, at: string, dual = false): string {
  const address = endpoint(at);
  const family = address.address.length === 4 ? 4 : 6;
  try {
    const fd = socketAs(network.pod, who, { family, type: 'tcp', bind: address, ...(family === 6 ? { v6only: !dual } : {}) });
    const text = endpointText(localAddress(fd));
    closeFd(fd);
    return text;
  } catch (error) {
    if (error instanceof SysError) return error.errno;
    throw error;
  }
}

describe('bind of an application', () => {
  it.each<[what: string, at: string, dual: boolean, becomes: string]>([
    ['the IPv4 wildcard', '0.0.0.0:8080', false, '127.0.0.1:8080'],
    ['the pod address', '10.9.0.2:8080', false, '127.0.0.1:8080'],
    ['the secondary pod address', '10.9.0.22:8080', false, '127.0.0.1:8080'],
    ['the IPv6 wildcard of both families', '[::]:8080', true, '[::ffff:127.0.0.1]:8080'],
    ['the IPv6 wildcard of IPv6 alone', '[::]:8080', false, '[::1]:8080'],
    ['the IPv6 pod address', '[fd00:9::2]:8080', true, '[::1]:8080'],
    ['a v4-mapped pod address', '[::ffff:10.9.0.2]:8080', true, '[::ffff:127.0.0.1]:8080'],
    ['the v4-mapped wildcard', '[::ffff:0.0.0.0]:8080', true, '[::ffff:127.0.0.1]:8080'],
    ['explicit loopback', '127.0.0.1:8080', false, '127.0.0.1:8080'],
    ['another loopback address', '127.0.0.9:8080', false, '127.0.0.9:8080'],
    ['explicit IPv6 loopback', '[::1]:8080', false, '[::1]:8080'],
    ['an excluded port', '0.0.0.0:15020', false, '0.0.0.0:15020'],
    ['the tunnel port', '0.0.0.0:15008', false, '0.0.0.0:15008'],
  ])('mr_bind() puts %s where the proxy finds it when the application binds %s', (_what, at, dual, becomes) => {
    expect(bound(application, at, dual)).toBe(becomes);
    // who is root in the container is an application too
    expect(bound(root, at, dual)).toBe(becomes);
  });

  it('mr_bind() leaves the address alone when the port is 0, which clients ask for', () => {
    expect(bound(application, '0.0.0.0:0')).toMatch(/^0\.0\.0\.0:\d+$/);
    expect(bound(application, '10.9.0.22:0')).toMatch(/^10\.9\.0\.22:\d+$/);
  });

  it('mr_bind() moves only listed ports when includeInboundPorts is a list', async () => {
    const annotations = {
      'traffic.sidecar.istio.io/includeInboundPorts': '8081,15020',
      'traffic.sidecar.istio.io/excludeInboundPorts': '8081',
    };
    await enrolPod(node.plane, network.pod, { backend: 'bind', annotations });
    expect(['8080', '8081', '15020'].map((port) => bound(application, `0.0.0.0:${port}`))).toEqual([
      '0.0.0.0:8080',
      '127.0.0.1:8081',
      '127.0.0.1:15020',
    ]);
  });

  it('mr_bind() moves IPv4 and leaves IPv6 alone when IPv6 is not redirected', async () => {
    await enrolPod(node.plane, network.pod, { backend: 'bind', config: { ipv6: false } });
    expect(bound(application, '0.0.0.0:8080')).toBe('127.0.0.1:8080');
    expect(bound(application, '[::]:8080')).toBe('[::]:8080');
    // one socket for both families goes where IPv4 must
    expect(bound(application, '[::]:8080', true)).toBe('[::ffff:127.0.0.1]:8080');
    expect(bound(application, '[fd00:9::2]:8080')).toBe('[fd00:9::2]:8080');
  });

  it('mr_bind() leaves UDP alone when the port is captured for TCP', () => {
    const fd = socketAs(network.pod, application, { family: 4, type: 'udp', bind: endpoint('0.0.0.0:8080') });
    expect(endpointText(localAddress(fd))).toBe('0.0.0.0:8080');
    closeFd(fd);
  });

  it('mr_bind() refuses a privileged port as ever when the application may not bind it', () => {
    expect(bound(application, '0.0.0.0:80')).toBe('EACCES');
    expect(bound(root, '0.0.0.0:80')).toBe('127.0.0.1:80');
  });

  it('mr_bind() counts what it moved', async () => {
    expect(await counted(node.plane, 'BIND_REWRITTEN', async () => bound(application, '0.0.0.0:8080'))).toBe(1);
    expect(await counted(node.plane, 'BIND_REWRITTEN', async () => bound(application, '127.0.0.1:8080'))).toBe(0);
  });
});

describe('bind of the proxy', () => {
  it.each(['10.9.0.2:80', '[fd00:9::2]:80', '0.0.0.0:8080'])(
    'mr_bind() leaves the address and waives CAP_NET_BIND_SERVICE when the proxy binds %s',
    (at) => {
      expect(bound(proxy, at)).toBe(at);
    },
  );
});

describe('inbound', () => {
  it('reaches the proxy from outside and the application from the proxy when both hold the port', async () => {
    await using app = await listen(network.pod, application, 'app', '0.0.0.0:8080');
    {
      await using _inbound = await listen(network.pod, proxy, 'proxy', '10.9.0.2:8080');
      const seen = await dial(network.outside, root, '10.9.0.2:8080');
      expect(seen).toMatchObject({ answer: 'proxy', peer: '10.9.0.2:8080' });
      expect((await dial(network.pod, proxy, '127.0.0.1:8080')).answer).toBe('app');
      expect((await dial(network.pod, application, '127.0.0.1:8080')).answer).toBe('app');
      expect(app.accepted).toHaveLength(2);
    }
    expect((await dial(network.outside, root, '10.9.0.2:8080')).answer).toBe('ECONNREFUSED');
    expect(app.accepted).toHaveLength(2);
  });

  it('is refused on every address when only the application listens, whatever it bound', async () => {
    await using _four = await listen(network.pod, application, 'app', '10.9.0.2:8081');
    await using _both = await listen(network.pod, application, 'app', '[::]:8082', { dual: true });
    await using _six = await listen(network.pod, application, 'app', '[fd00:9::2]:8083');
    const targets = ['10.9.0.2:8081', '10.9.0.22:8081', '10.9.0.2:8082', '[fd00:9::2]:8082', '[fd00:9::2]:8083'];
    expect(await Promise.all(targets.map(async (to) => (await dial(network.outside, root, to)).answer))).toEqual(
      targets.map(() => 'ECONNREFUSED'),
    );
    expect((await dial(network.pod, proxy, '127.0.0.1:8081')).answer).toBe('app');
    expect((await dial(network.pod, proxy, '127.0.0.1:8082')).answer).toBe('app');
    expect((await dial(network.pod, proxy, '[::1]:8083')).answer).toBe('app');
  });

  it('reaches the proxy on IPv6 and the application on ::1 when the application listens on IPv6 alone', async () => {
    await using _app = await listen(network.pod, application, 'app', '[::]:8084');
    await using _inbound = await listen(network.pod, proxy, 'proxy', '[fd00:9::2]:8084');
    expect((await dial(network.outside, root, '[fd00:9::2]:8084')).answer).toBe('proxy');
    expect((await dial(network.pod, proxy, '[::1]:8084')).answer).toBe('app');
  });

  it('is direct when the port is excluded', async () => {
    await using _status = await listen(network.pod, application, 'status', '0.0.0.0:15020');
    expect((await dial(network.outside, root, '10.9.0.2:15020')).answer).toBe('status');
  });
});

describe('outbound', () => {
  it.each(['203.0.113.5:80', '[::ffff:203.0.113.5]:80', '[2001:db8::5]:80'])(
    'is redirected when the back end is bind and %s is dialled',
    async (to) => {
      const seen = await dial(network.pod, application, to);
      expect(seen).toMatchObject({ answer: 'outbound', peer: to });
      expect(outbound.accepted.at(-1)?.original).toBe(to.replace('[::ffff:203.0.113.5]', '203.0.113.5'));
    },
  );

  it('is direct when the proxy dials', async () => {
    await using _real = await listen(network.outside, root, 'real', '0.0.0.0:80');
    expect((await dial(network.pod, proxy, '10.9.0.1:80')).answer).toBe('real');
    expect((await dial(network.pod, application, '10.9.0.1:80')).answer).toBe('outbound');
  });
});
