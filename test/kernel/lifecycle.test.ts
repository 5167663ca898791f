import { rmSync } from 'node:fs';
import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { UserError } from '../../src/base/errors.ts';
import { createCgroup, Link, moveToCgroup, removeCgroup } from '../../src/kernel/index.ts';
import { cgroupAttachments } from '../../src/redirect/ebpf/attachments.ts';
import { mapNames } from '../../src/redirect/ebpf/maps.ts';
import { startDialling } from '../support/dialling-process.ts';
import { counted, enrolPod, isSteered, podTables } from '../support/enrolment.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { application, dial, listen, proxy, root } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;
let perTest: Cleanup;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(async () => {
  perTest = new Cleanup();
  network = perTest.use(await createPodNetwork());
  await enrolPod(node.plane, network.pod);
  perTest.use(await listen(network.pod, proxy, 'outbound', '[::]:15001', { dual: true }));
  perTest.use(await listen(network.pod, proxy, 'inbound', '[::]:15006', { dual: true }));
  perTest.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
});

afterEach(async () => {
  await node.plane.release(network.pod.handle.cookie);
  await perTest[Symbol.asyncDispose]();
});

const inside = async (to = '10.9.0.1:80') => (await dial(network.pod, application, to)).answer;
const outside = async (to = '10.9.0.2:8080') => (await dial(network.outside, root, to)).answer;

describe('DataPlane.open()', () => {
  it('adopts the maps and keeps redirecting when the process before it ended', async () => {
    expect(node.plane.adopted).toBe(false);
    const before = links();
    const plane = await node.reopen();
    expect(plane.adopted).toBe(true);
    expect(links().map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    // its own programs are in place, on the links and maps of the one before
    expect(links().map(({ programId }) => programId)).not.toEqual(before.map(({ programId }) => programId));
    expect(isSteered(node.plane, network.pod)).toBe(true);
    expect([await inside(), await outside()]).toEqual(['outbound', 'inbound']);
    await expect(plane.enrol(network.pod.handle, podTables(network.pod))).resolves.toEqual({ written: 0, removed: 0, attached: [] });
  });

  it('fails no connection when programs are replaced while connections are made', async () => {
    await using fromInside = await startDialling(network.pod, application, ['10.9.0.1:80', '2001:db8::1:80']);
    await using fromOutside = await startDialling(network.outside, root, ['10.9.0.2:8080']);
    for (let round = 0; round < 8; round += 1) {
      const plane = await node.reopen();
      await plane.enrol(network.pod.handle, podTables(network.pod));
      await Promise.all([fromInside.more(2), fromOutside.more(2)]);
    }
    const answers = { ...(await fromInside.stop()), ...(await fromOutside.stop()) };
    expect(Object.keys(answers).sort()).toEqual(['10.9.0.1 80 outbound', '10.9.0.2 8080 inbound', '2001:db8::1 80 outbound']);
  });

  it('refuses with ABI_MISMATCH and touches nothing when maps of another layout are pinned', async () => {
    const other = join(node.pins, 'abi-999');
    await mkdir(other);
    try {
      const error = await node.reopen().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(UserError);
      expect(error).toMatchObject({ code: 'ABI_MISMATCH', command: 'millrace agent --remove' });
      expect([await inside(), await outside()]).toEqual(['outbound', 'inbound']);
    } finally {
      await rmdir(other);
    }
    await node.reopen();
  });

  it('moves to another cgroup when it is configured so', async () => {
    const other = join(node.cgroup, '..', 'others');
    createCgroup(other);
    try {
      await node.reopen(other);
      // this process is still in the first one, which is nobody's now
      expect(await inside()).toBe('real');
      moveToCgroup(other, process.pid);
      expect(await inside()).toBe('outbound');
    } finally {
      moveToCgroup(node.cgroup, process.pid);
      await node.reopen();
      removeCgroup(other);
    }
    expect(await inside()).toBe('outbound');
  });
});

function links(): readonly { readonly id: number; readonly programId: number }[] {
  return cgroupAttachments.map(({ program }) => {
    using link = Link.open(node.plane.pins.link(program));
    const { id, programId } = link.info();
    return { id, programId };
  });
}

describe('DataPlane.ensureAttached()', () => {
  it('does nothing when nothing is gone', () => {
    const before = links();
    expect(node.plane.ensureAttached('repair')).toEqual([]);
    expect(links()).toEqual(before);
  });

  it('attaches again what was unpinned or detached', async () => {
    rmSync(node.plane.pins.link('mr_connect4'));
    {
      using link = Link.open(node.plane.pins.link('mr_sockops'));
      link.detach();
    }
    // the kernel ends a link that lost its name a moment later
    await expect.poll(() => inside()).toBe('real');
    expect(node.plane.ensureAttached('repair')).toEqual(['mr_sockops', 'mr_connect4']);
    expect(await inside()).toBe('outbound');
  });

  it('pins and attaches everything again when all pins were removed', async () => {
    for (const kind of ['links', 'maps']) {
      const directory = join(node.pins, 'abi-1', kind);
      for (const name of await readdir(directory)) rmSync(join(directory, name));
      await rmdir(directory);
    }
    await expect.poll(async () => [await inside(), await outside()]).toEqual(['real', 'ECONNREFUSED']);
    expect(node.plane.ensureAttached('repair')).toEqual([...mapNames, ...cgroupAttachments.map(({ program }) => program), 'mr_sk_msg']);
    expect(isSteered(node.plane, network.pod)).toBe(false);
    await node.plane.enrol(network.pod.handle, podTables(network.pod));
    expect([await inside(), await outside()]).toEqual(['outbound', 'inbound']);
    expect((await node.reopen()).adopted).toBe(true);
  });
});

describe('a pod', () => {
  it('is left alone in both directions when it was released', async () => {
    await using _app = await listen(network.pod, application, 'app', '0.0.0.0:8080');
    expect([await inside(), await outside()]).toEqual(['outbound', 'inbound']);
    await node.plane.release(network.pod.handle.cookie);
    expect([await inside(), await outside()]).toEqual(['real', 'app']);
    expect((await node.plane.knownCookies()).has(network.pod.handle.cookie)).toBe(false);
    for (const map of [node.plane.maps.ranges, node.plane.maps.ports, node.plane.maps.listeners, node.plane.maps.listenerAddrs]) {
      expect([...map.keys()].filter(({ cookie }) => cookie === network.pod.handle.cookie)).toEqual([]);
    }
  });

  it('keeps to itself when another namespace has the same addresses', async () => {
    using twin = await createPodNetwork();
    await using _app = await listen(twin.pod, application, 'twin app', '0.0.0.0:8080');
    await using _real = await listen(twin.outside, root, 'twin real', '0.0.0.0:80');
    const twinAnswers = async () => [
      (await dial(twin.pod, application, '10.9.0.1:80')).answer,
      (await dial(twin.outside, root, '10.9.0.2:8080')).answer,
    ];
    expect(await twinAnswers()).toEqual(['twin real', 'twin app']);
    await enrolPod(node.plane, twin.pod, {});
    expect(await twinAnswers()).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
    await using _outbound = await listen(twin.pod, proxy, 'twin outbound', '0.0.0.0:15001');
    await using _inbound = await listen(twin.pod, proxy, 'twin inbound', '0.0.0.0:15006');
    expect(await twinAnswers()).toEqual(['twin outbound', 'twin inbound']);
    expect([await inside(), await outside()]).toEqual(['outbound', 'inbound']);
    await node.plane.release(twin.pod.handle.cookie);
    expect(await twinAnswers()).toEqual(['twin real', 'twin app']);
    expect([await inside(), await outside()]).toEqual(['outbound', 'inbound']);
  });

  it('is steered by the program that was there before when it is only mended', async () => {
    await node.plane.enrol(
      network.pod.handle,
      podTables(network.pod, { annotations: { 'traffic.sidecar.istio.io/includeInboundPorts': '9' } }),
      'repair',
    );
    expect(await counted(node.plane, 'INBOUND_DIRECT', () => outside())).toBe(1);
    expect(await outside('10.9.0.2:9')).toBe('inbound');
  });
});
