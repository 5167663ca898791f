import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { silentLogger } from '../../src/base/log.ts';
import { createCgroup, findCgroup2, moveToCgroup } from '../../src/kernel/index.ts';
import { DataPlane } from '../../src/redirect/ebpf/data-plane.ts';
import type { AgentInstance } from '../support/agent-process.ts';
import { createAgentInstance } from '../support/agent-process.ts';
import { compileBpf } from '../support/compile-bpf.ts';
import { startDialling } from '../support/dialling-process.ts';
import { podTables } from '../support/enrolment.ts';
import { startListening } from '../support/listening-process.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { application, dial, listen, proxy, root } from '../support/tcp.ts';

const cleanup = new Cleanup();
let instance: AgentInstance;
let network: PodNetwork;

beforeAll(async () => {
  instance = cleanup.use(createAgentInstance());
  const home = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
  network = cleanup.use(await createPodNetwork());
  createCgroup(instance.cgroup);
  moveToCgroup(instance.cgroup, process.pid);
});

afterAll(() => cleanup[Symbol.asyncDispose]());

it('`millrace agent` refuses maps of another build, which goes on, and starts when they were removed', async () => {
  const former = compileBpf('bpf/millrace.bpf.c', [{ file: 'bpf/abi/version.h', from: 'MR_SIZE_PODS = 1024', to: 'MR_SIZE_PODS = 512' }]);
  {
    await using plane = await DataPlane.open({ elf: former, cgroup: instance.cgroup, pins: instance.pins, log: silentLogger });
    await plane.enrol(network.pod.handle, podTables(network.pod, { spread6: false }));
  }
  await using _real = await listen(network.outside, root, 'real', '0.0.0.0:80');
  await using _proxy = await startListening(network.pod, proxy, 'proxy', [':::15001', ':::15006']);
  await using inside = await startDialling(network.pod, application, ['10.9.0.1:80']);
  await using outside = await startDialling(network.outside, root, ['10.9.0.2:8080']);

  const refused = await instance.start().ended;
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/ABI_MISMATCH/);
  expect(refused.stderr).toMatch(/the map mr_(pods|usage) because its layout differs: found .* 512 entries, wanted .* 1024 entries/);
  expect(refused.stderr).toMatch(/millrace agent --remove/);
  expect(refused.stderr).not.toMatch(/\n {4}at /);
  await Promise.all([inside.more(2), outside.more(2)]);
  const answers = { ...(await inside.stop()), ...(await outside.stop()) };
  expect(Object.keys(answers).sort()).toEqual(['10.9.0.1 80 proxy', '10.9.0.2 8080 proxy']);

  expect(await instance.start(['--remove']).ended).toMatchObject({ code: 0 });
  expect((await dial(network.pod, application, '10.9.0.1:80')).answer).toBe('real');
  const agent = instance.start();
  expect(await agent.ready()).toMatchObject({ adopted: false, pods: [] });
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
  expect((await dial(network.pod, application, '10.9.0.1:80')).answer).toBe('proxy');
  expect((await dial(network.outside, root, '10.9.0.2:8080')).answer).toBe('proxy');
}, 60_000);
