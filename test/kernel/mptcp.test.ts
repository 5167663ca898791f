import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { inNetns } from '../../src/kernel/index.ts';
import { libc } from '../../src/kernel/libc.ts';
import { enrolPod } from '../support/enrolment.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Identity, Listener } from '../support/tcp.ts';
import { application, asIdentity, dialOn, listen, proxy, root } from '../support/tcp.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let network: PodNetwork;
let outbound: Listener;

beforeAll(async () => {
  const node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
  await enrolPod(node.plane, network.pod);
  outbound = cleanup.use(await listen(network.pod, proxy, 'outbound', '[::]:15001', { dual: true }));
  cleanup.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

/** A non-blocking socket of protocol MPTCP, which the kernel makes the TCP socket below of at its own time. */
function mptcpSocket(who: Identity, domain: 2 | 10): number {
  const fd = inNetns(network.pod.handle, () => asIdentity(who, () => libc().socket(domain, 1 | 0o4000 | 0o2000000, 262)));
  expect(fd).toBeGreaterThan(0);
  return fd;
}

describe('an MPTCP socket', () => {
  it.each<[to: string, domain: 2 | 10]>([
    ['203.0.113.5:80', 2],
    ['[::ffff:203.0.113.5]:80', 10],
    ['[2001:db8::5]:80', 10],
  ])('is redirected and sees what it dialled when it connects to %s (OUT-30)', async (to, domain) => {
    const seen = await dialOn(mptcpSocket(application, domain), to, application);
    const original = to.replace('[::ffff:203.0.113.5]', '203.0.113.5');
    expect(seen).toMatchObject({ answer: 'outbound', peer: to, original });
    expect(outbound.accepted.at(-1)).toMatchObject({ original });
  });

  it('is direct when the proxy made it', async () => {
    expect((await dialOn(mptcpSocket(proxy, 2), '10.9.0.1:80', proxy)).answer).toBe('real');
  });

  it('belongs to its maker when somebody else connects it', async () => {
    expect((await dialOn(mptcpSocket(proxy, 2), '10.9.0.1:80', application)).answer).toBe('real');
    expect((await dialOn(mptcpSocket(application, 2), '10.9.0.1:80', proxy)).answer).toBe('outbound');
  });
});
