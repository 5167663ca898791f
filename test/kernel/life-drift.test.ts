import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PodFlags, PortFlags, podCodec, portCodec, portKeyCodec, rangeCodec, rangeKeyCodec } from '../../src/abi/gen/index.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { bpfObjectPath } from '../../src/base/project.ts';
import { BpfMap, BpfObject, findCgroup2, Link, mapCodec, moveToCgroup, u64 } from '../../src/kernel/index.ts';
import type { Pins } from '../../src/redirect/ebpf/pins.ts';
import { pinsAt } from '../../src/redirect/ebpf/pins.ts';
import type { AgentInstance, AgentProcess } from '../support/agent-process.ts';
import { createAgentInstance } from '../support/agent-process.ts';
import { startListening } from '../support/listening-process.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { application, dial, listen, proxy, root } from '../support/tcp.ts';

// What others do to the kernel behind the back of a running agent, which looks every three seconds.
const cleanup = new Cleanup();
let instance: AgentInstance;
let network: PodNetwork;
let agent: AgentProcess;
let pins: Pins;
const log: string[] = [];

beforeAll(async () => {
  instance = cleanup.use(createAgentInstance());
  const home = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
  network = cleanup.use(await createPodNetwork());
  cleanup.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
  agent = instance.start();
  await agent.ready();
  moveToCgroup(instance.cgroup, process.pid);
  pins = pinsAt(instance.pins);
  const { path } = network.pod;
  await agent.client.enrol({
    name: 'test/pod',
    netns: path,
    labels: {},
    annotations: {},
    uidMap: null,
    meshed: true,
    backend: 'sk_lookup',
  });
  cleanup.use(await startListening(network.pod, proxy, 'proxy', [':::15001', ':::15006']));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const answers = async () => [
  (await dial(network.pod, application, '10.9.0.1:80')).answer,
  (await dial(network.pod, application, '[2001:db8::5]:80')).answer,
  (await dial(network.outside, root, '10.9.0.2:8080')).answer,
];

/** A row of the pod, changed through the pin by somebody else. */
function changePod(change: (map: BpfMap<bigint, ReturnType<typeof podCodec.read>>, cookie: bigint) => void): void {
  using map = BpfMap.openPinned(pins.map('mr_pods'), mapCodec(u64, podCodec));
  change(map, network.pod.handle.cookie);
}

function detach(path: string): void {
  using link = Link.open(path);
  link.detach();
}

const events: readonly (readonly [what: string, act: () => unknown, repaired: RegExp])[] = [
  ['a link of the cgroup is detached', () => detach(pins.link('mr_connect4')), /^mr_connect4 put back$/],
  ['the pin of a link is removed', () => rmSync(pins.link('mr_sockops')), /^mr_sockops put back$/],
  ['the pin of a map is removed', () => rmSync(pins.map('mr_pods')), /^mr_pods put back$/],
  [
    'another program is put on a link',
    async () => {
      using stranger = await BpfObject.load(readFileSync(bpfObjectPath()), { name: 'stranger' });
      using link = Link.open(pins.link('mr_connect6'));
      link.update(stranger.program('mr_connect6'));
    },
    /^mr_connect6 put back$/,
  ],
  ['the row of the pod is deleted', () => changePod((map, cookie) => map.delete(cookie)), /^1 rows of test\/pod put right$/],
  [
    'the row of the pod is changed',
    () =>
      changePod((map, cookie) =>
        map.set(cookie, {
          ...(map.get(cookie) ?? podCodec.read(new DataView(new ArrayBuffer(podCodec.size)), 0)),
          flags: PodFlags.TRANSLATE,
        }),
      ),
    /^1 rows of test\/pod put right$/,
  ],
  [
    'the ranges of the pod are deleted',
    () => {
      using map = BpfMap.openPinned(pins.map('mr_ranges'), mapCodec(rangeKeyCodec, rangeCodec));
      map.deleteMany([...map.keys()]);
    },
    /^\d+ rows of test\/pod put right$/,
  ],
  [
    'a port is excluded by a row of somebody else',
    () => {
      using map = BpfMap.openPinned(pins.map('mr_ports'), mapCodec(portKeyCodec, portCodec));
      map.set({ cookie: network.pod.handle.cookie, port: 80 }, { flags: PortFlags.OUTBOUND_EXCLUDE });
    },
    /^1 rows of test\/pod put right$/,
  ],
  [
    'the sk_lookup program of the pod is detached',
    () => detach(pins.link('mr_sk_lookup', network.pod.handle.cookie)),
    /^mr_sk_lookup of test\/pod put back$/,
  ],
];

describe('a running agent', () => {
  it.each(events)('sees within five seconds, repairs, counts and logs when %s', async (_what, act, repaired) => {
    expect(await answers()).toEqual(['proxy', 'proxy', 'proxy']);
    const before = (await agent.client.status()).drift.repaired;
    const started = performance.now();
    await act();
    let drift = (await agent.client.status()).drift;
    while (drift.repaired === before && performance.now() - started < 6000) {
      await sleep(20);
      ({ drift } = await agent.client.status());
    }
    expect(performance.now() - started).toBeLessThan(5000);
    expect(drift.repaired).toBe(before + 1);
    expect(drift.last).toMatch(repaired);
    log.push(drift.last ?? '');
    expect(await answers()).toEqual(['proxy', 'proxy', 'proxy']);
  });

  it('takes over an address within five seconds when the pod gets one, which is no drift', async () => {
    const { drift } = await agent.client.status();
    network.pod.ip('addr add 10.9.0.77/24 dev eth0\n');
    await expect.poll(async () => (await agent.client.pods())[0]?.addresses, { timeout: 5000 }).toContain('10.9.0.77');
    expect((await dial(network.outside, root, '10.9.0.77:8080')).answer).toBe('proxy');
    // to its own address, without the proxy: nobody listens there
    expect((await dial(network.pod, application, '10.9.0.77:8080')).answer).toBe('ECONNREFUSED');
    expect((await agent.client.status()).drift).toEqual(drift);
  });

  it('repairs nothing when nothing is wrong, and has logged every repair', async () => {
    const { drift } = await agent.client.status();
    await sleep(3500);
    expect((await agent.client.status()).drift).toEqual(drift);
    const { stderr } = await agent.stop('SIGTERM');
    const lines = stderr.split('\n').filter((line) => line.includes('"drift repaired"'));
    expect(lines.map((line) => (JSON.parse(line) as { reason: string }).reason)).toEqual(log);
    expect(log).toHaveLength(events.length);
  });
});
