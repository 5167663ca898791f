import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PodManager } from '../../src/agent/pod-manager.ts';
import { DesiredPods } from '../../src/agent/state.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { silentLogger } from '../../src/base/log.ts';
import { createNetns, ipBatch, joinByLink } from '../../src/conformance/network.ts';
import { FdPoller } from '../../src/kernel/index.ts';
import type { PodRequest } from '../../src/pods/types.ts';
import { startDialling } from '../support/dialling-process.ts';
import { startListening } from '../support/listening-process.ts';
import type { TestNetns } from '../support/network.ts';
import { application, dial, listen, proxy, root } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

// Pods come and go as on a cluster: their addresses are given to the next one at once, and their namespaces are replaced under their names.
const cleanup = new Cleanup();
let node: TestNode;
let perTest: Cleanup;
let pods: PodManager;
let outside: TestNetns;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(async () => {
  perTest = new Cleanup();
  const directory = mkdtempSync(join(tmpdir(), 'millrace-life-'));
  perTest.defer(() => rmSync(directory, { recursive: true }));
  const desired = await DesiredPods.open(join(directory, 'pods.json'), silentLogger);
  const machine = { choice: { backend: 'sk_lookup', reason: 'a test' }, tcx: true } as const;
  outside = perTest.use(await createNetns());
  pods = perTest.use(new PodManager(node.plane, machine, desired, perTest.use(new FdPoller()), silentLogger));
  perTest.use(await listen(outside, root, 'real', '0.0.0.0:80'));
});

afterEach(async () => {
  await perTest[Symbol.asyncDispose]();
  for (const cookie of await node.plane.knownCookies()) await node.plane.release(cookie);
});

/** A namespace with the address that the pod before it had, on the link that the pod before it had. */
async function podAtSameAddress(): Promise<TestNetns> {
  const pod = await createNetns();
  joinByLink(
    { netns: outside, name: 'eth0', addresses: ['10.9.0.1/24', 'fd00:9::1/64'] },
    { netns: pod, name: 'eth0', addresses: ['10.9.0.2/24', 'fd00:9::2/64'] },
  );
  pod.ip(ipBatch('route add default via 10.9.0.1', 'route add default via fd00:9::1'));
  return pod;
}

function request(name: string, path: string): PodRequest {
  return { name: `test/${name}`, netns: path, labels: {}, annotations: {}, uidMap: null, meshed: true, backend: 'sk_lookup' };
}

const rowsOf = (cookie: bigint) =>
  [node.plane.maps.ranges, node.plane.maps.ports, node.plane.maps.groups, node.plane.maps.listeners, node.plane.maps.listenerAddrs].reduce(
    (count, map) => count + [...map.keys()].filter((key) => key.cookie === cookie).length,
    0,
  );

describe('an address', () => {
  it.each([
    ['was released', true],
    ['just ended', false],
  ])('leads to the proxy of its new pod at once when the one that had it %s', async (_what, released) => {
    const first = perTest.use(await podAtSameAddress());
    const firstProxy = await startListening(first, proxy, 'first proxy', [':::15001', ':::15006']);
    await pods.enrol(request('first', first.path));
    const fromOutside = perTest.use(await startDialling(outside, root, ['10.9.0.2:8080', 'fd00:9::2:8080']));
    expect((await dial(first, application, '10.9.0.1:80')).answer).toBe('first proxy');
    await fromOutside.more(1);

    // the cable goes with the container; whether the agent hears of the end first is up to it
    outside.ip('link del eth0\n');
    if (released) await pods.release('test/first');
    const second = perTest.use(await podAtSameAddress());
    const secondProxy = await startListening(second, proxy, 'second proxy', [':::15001', ':::15006']);
    perTest.use(secondProxy);
    perTest.use(await listen(second, application, 'app', '[::]:8080', { dual: true }));
    await pods.enrol(request('second', second.path));
    const inside = perTest.use(await startDialling(second, application, ['10.9.0.1:80']));
    await firstProxy[Symbol.asyncDispose]();
    first[Symbol.dispose]();
    await expect
      .poll(async () => {
        await pods.reconcile();
        return [...(await node.plane.knownCookies())];
      })
      .toEqual([second.handle.cookie]);
    expect(rowsOf(first.handle.cookie)).toBe(0);

    expect(Object.keys(await inside.stop())).toEqual(['10.9.0.1 80 second proxy']);
    // what was dialled in between met no pod, for up to three seconds, or the app of one that was not enrolled yet; afterwards it is the proxy alone
    await expect
      .poll(async () => Object.keys(await fromOutside.answers()), { timeout: 15_000 })
      .toEqual(
        expect.arrayContaining([
          ...['10.9.0.2 8080 first proxy', 'fd00:9::2 8080 first proxy'],
          ...['10.9.0.2 8080 second proxy', 'fd00:9::2 8080 second proxy'],
        ]),
      );
    await fromOutside.stop();
    const after = perTest.use(await startDialling(outside, root, ['10.9.0.2:8080', 'fd00:9::2:8080']));
    for (let round = 0; round < 2; round += 1) {
      await pods.reconcile();
      await after.more(2);
    }
    expect(Object.keys(await after.stop()).sort()).toEqual(['10.9.0.2 8080 second proxy', 'fd00:9::2 8080 second proxy']);
    expect(pods.drift.repaired).toBe(0);
  });
});

describe('a namespace that is replaced under its name', () => {
  it('is redirected from the call on, and the old one is let go, when both carry traffic', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-name-'));
    const path = join(directory, 'netns');
    writeFileSync(path, '');
    perTest.defer(() => rmSync(directory, { recursive: true }));
    const bind = (netns: TestNetns): void => void execFileSync('mount', ['--bind', netns.path, path]);
    const unbind = (): void => void execFileSync('umount', [path]);
    const outside2 = perTest.use(await createNetns());
    perTest.use(await listen(outside2, root, 'second real', '0.0.0.0:80'));

    const first = perTest.use(await podAtSameAddress());
    perTest.use(await startListening(first, proxy, 'first proxy', [':::15001', ':::15006']));
    bind(first);
    perTest.defer(unbind);
    await pods.enrol(request('pod', path));
    const inFirst = perTest.use(await startDialling(first, application, ['10.9.0.1:80']));
    await inFirst.more(1);

    const second = perTest.use(await createNetns());
    joinByLink({ netns: outside2, name: 'eth0', addresses: ['10.9.0.1/24'] }, { netns: second, name: 'eth0', addresses: ['10.9.0.2/24'] });
    perTest.use(await startListening(second, proxy, 'second proxy', [':::15001', ':::15006']));
    unbind();
    bind(second);
    await pods.enrol(request('pod', path));
    const inSecond = perTest.use(await startDialling(second, application, ['10.9.0.1:80']));
    const toSecond = perTest.use(await startDialling(outside2, root, ['10.9.0.2:8080']));
    expect([...(await node.plane.knownCookies())]).toEqual([second.handle.cookie]);
    expect(rowsOf(first.handle.cookie)).toBe(0);
    for (let round = 0; round < 3; round += 1) {
      await pods.reconcile();
      for (const dialling of [inSecond, toSecond]) await dialling.more(2);
    }
    // what goes on in the old one is nobody's pod any more; no connection of either failed
    await inFirst.more(2);
    expect((await dial(first, application, '10.9.0.1:80')).answer).toBe('real');
    expect(Object.keys(await inFirst.stop()).sort()).toEqual(['10.9.0.1 80 first proxy', '10.9.0.1 80 real']);
    expect(Object.keys(await inSecond.stop())).toEqual(['10.9.0.1 80 second proxy']);
    expect(Object.keys(await toSecond.stop())).toEqual(['10.9.0.2 8080 second proxy']);
    expect(pods.status().map(({ cookie }) => cookie)).toEqual([second.handle.cookie.toString()]);
  });

  it('is found by the next look when nobody calls', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-name-'));
    const path = join(directory, 'netns');
    writeFileSync(path, '');
    perTest.defer(() => rmSync(directory, { recursive: true }));
    const bind = (netns: TestNetns): void => void execFileSync('mount', ['--bind', netns.path, path]);
    const first = perTest.use(await podAtSameAddress());
    bind(first);
    perTest.defer(() => execFileSync('umount', ['--all-targets', '--recursive', path]));
    await pods.enrol(request('pod', path));
    const second = perTest.use(await createNetns());
    // on top of the old one, as a second mount
    bind(second);
    await pods.reconcile();
    expect([...(await node.plane.knownCookies())]).toEqual([second.handle.cookie]);
    expect((await dial(first, application, '10.9.0.1:80')).answer).toBe('real');
  });
});
