import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Event } from '../../src/abi/gen/index.ts';
import { EventKind, eventSize, readEvent, Size } from '../../src/abi/gen/index.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { closeFd, connectSocket, FdPoller, inNetns, openSocket, watchRing } from '../../src/kernel/index.ts';
import { collectEvents, counted, enrolPod } from '../support/enrolment.ts';
import type { PodNetwork, TestNetns } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { application, asIdentity, dial, endpoint, listen, proxy, socketAs } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let attacker: PodNetwork;
let neighbour: PodNetwork;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(async () => {
  attacker = await createPodNetwork();
  neighbour = await createPodNetwork();
  for (const { pod } of [attacker, neighbour]) await enrolPod(node.plane, pod);
});

afterEach(async () => {
  for (const network of [attacker, neighbour]) {
    await node.plane.release(network.pod.handle.cookie);
    network[Symbol.dispose]();
  }
});

/** Starts `count` connections at once and leaves them in the air. The caller closes them. */
function startConnections(count: number): readonly number[] {
  const to = endpoint('203.0.113.5:80');
  return inNetns(attacker.pod.handle, () =>
    asIdentity(application, () =>
      Array.from({ length: count }, () => {
        const fd = openSocket({ family: 4, type: 'tcp' });
        connectSocket(fd, to);
        return fd;
      }),
    ),
  );
}

const pending = () => node.plane.maps.usage.get(attacker.pod.handle.cookie)?.handovers ?? Number.NaN;

describe('a pod whose proxy accepts nothing', () => {
  it('fills its own share of the original destinations and nobody else’s', async () => {
    using ring = collectEvents(node.plane, attacker.pod);
    // room for one connection, which is never accepted; the others stay on their way
    const stuck = socketAs(attacker.pod, proxy, { family: 4, type: 'tcp', bind: endpoint('127.0.0.1:15001'), listen: 0 });
    let connections: readonly number[] = [];
    const refused = await counted(node.plane, 'ERROR_HANDOVER', async () => {
      connections = startConnections(Size.POD_HANDOVERS + 500);
    });
    expect(pending()).toBe(Size.POD_HANDOVERS);
    expect(refused).toBeGreaterThan(490);
    await expect.poll(() => ring.events.map(({ kind, error }) => [kind, error])).toContainEqual([EventKind.HANDOVER_FULL, 122]);

    await using outbound = await listen(neighbour.pod, proxy, 'outbound', '0.0.0.0:15001');
    for (let index = 0; index < 20; index += 1)
      expect((await dial(neighbour.pod, application, `203.0.113.${index}:80`)).answer).toBe('outbound');
    expect(outbound.accepted.map(({ original }) => original)).toEqual(Array.from({ length: 20 }, (_, index) => `203.0.113.${index}:80`));

    for (const fd of connections) closeFd(fd);
    closeFd(stuck);
    expect(pending()).toBe(0);
    expect([...node.plane.maps.handovers.keys()].filter(({ cookie }) => cookie === attacker.pod.handle.cookie)).toEqual([]);
    await using own = await listen(attacker.pod, proxy, 'outbound', '0.0.0.0:15001');
    expect((await dial(attacker.pod, application, '203.0.113.5:80')).answer).toBe('outbound');
    expect(own.accepted.at(-1)?.original).toBe('203.0.113.5:80');
  });

  it('sends a connection without a hand-over to the proxy with its own address as the destination, and nowhere else', async () => {
    const key = attacker.pod.handle.cookie;
    const usage = node.plane.maps.usage.get(key);
    if (usage === null) throw new Error('no usage');
    await using outbound = await listen(attacker.pod, proxy, 'outbound', '127.0.0.1:15001');
    node.plane.maps.usage.set(key, { ...usage, handovers: Size.POD_HANDOVERS });
    expect((await dial(attacker.pod, application, '203.0.113.5:80')).answer).toBe('outbound');
    // the proxy refuses what seems to be for its own port
    expect(outbound.accepted.at(-1)?.original).toMatch(/^127\.\d+\.\d+\.\d+:15001$/);
    node.plane.maps.usage.set(key, { ...usage, handovers: 0 });
    await dial(attacker.pod, application, '203.0.113.5:80');
    expect(outbound.accepted.at(-1)?.original).toBe('203.0.113.5:80');
  });
});

describe('a pod that makes events without end', () => {
  it('is cut off after so many a second, and the events of others arrive', async () => {
    // one reader of the ring, as the agent is
    const events: Event[] = [];
    using poller = new FdPoller();
    using _ring = watchRing(poller, node.plane.maps.events, (view, offset, length) => {
      if (length >= eventSize) events.push(readEvent(view, offset));
    });
    const kindsOf = ({ handle }: TestNetns) => events.filter(({ cookie }) => cookie === handle.cookie).map(({ kind }) => kind);
    const listens = 6000;
    let suppressed = 0;
    const lost = await counted(node.plane, 'ERROR_EVENT_LOST', async () => {
      suppressed = await counted(node.plane, 'EVENT_SUPPRESSED', async () => {
        const options = { family: 4, type: 'tcp', bind: endpoint('10.9.0.2:15001'), listen: 1 } as const;
        inNetns(attacker.pod.handle, () => {
          asIdentity(application, () => {
            for (let index = 0; index < listens; index += 1) closeFd(openSocket(options));
          });
        });
        await using _stranger = await listen(neighbour.pod, application, 'stranger', '10.9.0.2:15001');
      });
    });
    await expect.poll(() => kindsOf(neighbour.pod)).toEqual([EventKind.LISTENER_FOREIGN]);
    expect(lost).toBe(0);
    expect(kindsOf(attacker.pod).length).toBe(listens - suppressed);
    expect(kindsOf(attacker.pod).length).toBeLessThan(listens / 10);
    // the proxy's own events have a share of their own
    await using _proxy = await listen(attacker.pod, proxy, 'outbound', '0.0.0.0:15001');
    await expect.poll(() => kindsOf(attacker.pod)).toContain(EventKind.LISTENER);
  });
});
