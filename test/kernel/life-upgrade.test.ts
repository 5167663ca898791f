import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { silentLogger } from '../../src/base/log.ts';
import { bpfObjectPath } from '../../src/base/project.ts';
import { BpfObject, closeFd, Link, openById, Program } from '../../src/kernel/index.ts';
import { DataPlane } from '../../src/redirect/ebpf/data-plane.ts';
import { compileBpf } from '../support/compile-bpf.ts';
import type { Dialling } from '../support/dialling-process.ts';
import { startDialling } from '../support/dialling-process.ts';
import { counted, enrolPod, podTables } from '../support/enrolment.ts';
import { startListening } from '../support/listening-process.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { application, dial, listen, proxy, root } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

// The next build is a real one: changed sources, compiled. All connections are made by processes of their own, before, while and after.
const source = 'bpf/millrace.bpf.c';
const thousands = { file: 'bpf/lib/count.bpf.h', from: 'mr_count_many(counter, 1);', to: 'mr_count_many(counter, 1000);' };

const cleanup = new Cleanup();
const thisBuild = readFileSync(bpfObjectPath());
const nextBuild = compileBpf(source, [thousands]);
let node: TestNode;
let network: PodNetwork;
let perTest: Cleanup;
let inside: Dialling;
let outside: Dialling;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(async () => {
  perTest = new Cleanup();
  network = perTest.use(await createPodNetwork());
  await enrolPod(node.plane, network.pod, { annotations: { 'traffic.sidecar.istio.io/excludeOutboundPorts': '9300' } });
  perTest.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
  perTest.use(await startListening(network.pod, proxy, 'proxy', [':::15001', ':::15006']));
  inside = perTest.use(await startDialling(network.pod, application, ['10.9.0.1:80', '2001:db8::1:80']));
  outside = perTest.use(await startDialling(network.outside, root, ['10.9.0.2:8080', 'fd00:9::2:8080']));
});

afterEach(async () => {
  await perTest[Symbol.asyncDispose]();
  await node.reopen();
  await node.plane.release(network.pod.handle.cookie);
});

/** Ends the data plane that is there, as an agent does, and opens that of another build on what it left. */
async function upgrade(elf: Uint8Array): Promise<DataPlane> {
  await node.plane[Symbol.asyncDispose]();
  return perTest.use(await DataPlane.open({ elf, cgroup: node.cgroup, pins: node.pins, log: silentLogger }));
}

/** Every pinned link, those of the pod included: its own id, and the program that runs there now. */
function links(): readonly { readonly name: string; readonly id: number; readonly programId: number; readonly tag: string }[] {
  const directory = node.plane.pins.link('');
  return readdirSync(directory)
    .sort()
    .map((name) => {
      using link = Link.open(`${directory}/${name}`);
      const { id, programId } = link.info();
      const fd = openById('program', programId);
      const { tag } = Program.borrow(fd, name).info();
      closeFd(fd);
      return { name, id, programId, tag };
    });
}

/** Ends both diallers, when they have made connections in the state that things are in: every connection there was reached the proxy. */
async function expectNoneFailed(): Promise<void> {
  await Promise.all([inside.more(5), outside.more(5)]);
  const answers = { ...(await inside.stop()), ...(await outside.stop()) };
  expect(Object.keys(answers).sort()).toEqual(['10.9.0.1 80 proxy', '10.9.0.2 8080 proxy', '2001:db8::1 80 proxy', 'fd00:9::2 8080 proxy']);
}

const dialled = async () => (await dial(network.pod, application, '10.9.0.1:80')).answer;

describe('an upgrade to other programs', () => {
  it('replaces every program on its link and fails no connection when both builds take turns', async () => {
    const before = links();
    expect(before.map(({ name }) => name)).toContain(`mr_sk_lookup-${network.pod.handle.cookie}`);
    const builds = [nextBuild, thisBuild];
    let plane = node.plane;
    for (let round = 0; round < 5; round += 1) {
      plane = await upgrade(builds[round % 2] ?? Buffer.alloc(0));
      expect(plane.adopted).toBe(true);
      await plane.enrol(network.pod.handle, podTables(network.pod));
      await Promise.all([inside.more(2), outside.more(2)]);
    }
    const after = links();
    expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    const known = new Set(before.map(({ programId }) => programId));
    expect(after.filter(({ programId }) => known.has(programId))).toEqual([]);
    const changed = after.filter(({ tag }, index) => tag !== before[index]?.tag).map(({ name }) => name);
    expect(changed).toEqual(
      expect.arrayContaining(['mr_connect4', 'mr_connect6', 'mr_sockops', `mr_sk_lookup-${network.pod.handle.cookie}`]),
    );
    await expectNoneFailed();
    // it is the other build that runs, in the cgroup and in the pod
    expect(await counted(plane, 'OUTBOUND_REDIRECTED', dialled)).toBe(1000);
    expect(await counted(plane, 'INBOUND_STEERED', () => dial(network.outside, root, '10.9.0.2:8080'))).toBe(1000);
  });

  it('detaches what it does not have when an earlier build had more programs', async () => {
    const { cookie, inode } = network.pod.handle;
    using former = await BpfObject.load(thisBuild, { name: 'former' });
    const ofCgroup = node.plane.pins.link('mr_former');
    const ofPod = node.plane.pins.link('mr_former_lookup', cookie);
    using first = former.program('mr_recvmsg4').attachCgroup(node.cgroup, 'CGROUP_UDP4_RECVMSG');
    first.pin(ofCgroup);
    using second = former.program('mr_sk_lookup').attachNetns(network.pod.handle);
    second.pin(ofPod);
    expect(second.info().target).toEqual({ kind: 'netns', inode: Number(inode) });
    await upgrade(thisBuild);
    expect([first.info().target.kind, second.info().target.kind]).toEqual(['detached', 'detached']);
    expect([existsSync(ofCgroup), existsSync(ofPod)]).toEqual([false, false]);
    await expectNoneFailed();
  });
});

describe('an upgrade to another layout', () => {
  it.each([
    ['mr_services', 'value 24 B', { file: 'bpf/abi/service.h', from: '__u32 count;\n', to: '__u32 count;\n\t__u64 later;\n' }],
    ['mr_pods', '2048 entries', { file: 'bpf/abi/version.h', from: 'MR_SIZE_PODS = 1024', to: 'MR_SIZE_PODS = 2048' }],
  ])('is refused and changes nothing when the map %s wants %s', async (map, wanted, edit) => {
    const before = links();
    const maps = readdirSync(node.plane.pins.map('')).sort();
    const error = await upgrade(compileBpf(source, [edit])).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'UserError', code: 'ABI_MISMATCH', command: 'millrace agent --remove' });
    expect(String(error)).toContain(`Cannot take over ${node.pins}`);
    expect(String(error)).toMatch(new RegExp(`map ${map} .*wanted .*${wanted}`));
    expect(links()).toEqual(before);
    expect(readdirSync(node.plane.pins.map('')).sort()).toEqual(maps);
    await expectNoneFailed();
  });
});
