import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AgentInstance, AgentProcess } from '../../test/support/agent-process.ts';
import { createAgentInstance } from '../../test/support/agent-process.ts';
import { startDialling } from '../../test/support/dialling-process.ts';
import { startListening } from '../../test/support/listening-process.ts';
import type { PodNetwork } from '../../test/support/network.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { application, dial, listen, proxy, root } from '../../test/support/tcp.ts';
import { instancePaths } from '../api/paths.ts';
import { Cleanup } from '../base/cleanup.ts';
import { findCgroup2, moveToCgroup } from '../kernel/index.ts';
import type { PodRequest } from '../pods/types.ts';

// The agent is a process of its own here, as operators run it; the pods' sockets are this process's.
const cleanup = new Cleanup();
let instance: AgentInstance;
let network: PodNetwork;
let agent: AgentProcess;
let home: string;

beforeAll(async () => {
  instance = cleanup.use(createAgentInstance());
  home = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
  network = cleanup.use(await createPodNetwork());
  cleanup.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
  agent = instance.start();
  const status = await agent.ready();
  moveToCgroup(instance.cgroup, process.pid);
  process.stdout.write(`agent: ready after ${status.readyAfterMs} ms, ${Math.round(status.rssBytes / 1024 / 1024)} MiB resident\n`);
});

afterAll(() => cleanup[Symbol.asyncDispose]());

function request(wanted: Partial<PodRequest> = {}): PodRequest {
  const { path } = network.pod;
  return { name: 'test/pod', netns: path, labels: {}, annotations: {}, uidMap: null, meshed: true, backend: 'sk_lookup', ...wanted };
}

const dialled = async (to = '10.9.0.1:80') => (await dial(network.pod, application, to)).answer;

beforeEach(async () => {
  await agent.client.enrol(request());
});

describe('millrace agent', () => {
  it('shows programs, maps, pods and itself when it is asked for its status', async () => {
    // two pods of the self-test's are there until it is over
    await expect.poll(async () => (await agent.client.status()).acceleration.testing, { timeout: 10_000 }).toBe(false);
    const status = await agent.client.status();
    // setpriv became the agent
    expect(status).toMatchObject({
      instance: instance.name,
      pid: agent.pid,
      adopted: false,
      cgroup: instance.cgroup,
      pins: instance.pins,
      lostEvents: 0,
    });
    expect(status.rssBytes).toBeGreaterThan(10 * 1024 * 1024);
    expect(status.readyAfterMs).toBeGreaterThan(0);
    expect(status.programs.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['mr_connect4', 'mr_connect6', 'mr_sockops', 'mr_sk_lookup']),
    );
    expect(status.programs.filter(({ attached }) => attached === 'detached')).toEqual([]);
    expect(status.maps.find(({ name }) => name === 'mr_pods')?.entries).toBe(1);
    expect(status.pods.map(({ name }) => name)).toEqual(['test/pod']);
  });

  it('enrols, translates services and releases when it is told to', async () => {
    expect(await dialled()).toBe('ECONNREFUSED');
    await using _backend = await listen(network.outside, root, 'backend', '0.0.0.0:8001');
    await agent.client.setServices([{ address: '10.96.0.1', port: 80, protocol: 'TCP', backends: [{ address: '10.9.0.1', port: 8001 }] }]);
    await agent.client.enrol(request({ meshed: false }));
    expect(await dialled('10.96.0.1:80')).toBe('backend');
    await agent.client.release('test/pod');
    expect(await agent.client.pods()).toEqual([]);
    expect(await dialled()).toBe('real');
  });

  it('refuses with the code of the failure when a call is wrong', async () => {
    const refused = (code: string) => ({ code });
    await expect(agent.client.enrol(request({ name: 'No Name' }))).rejects.toMatchObject(refused('POD_NAME_INVALID'));
    await expect(agent.client.enrol(request({ netns: '/run/netns/none' }))).rejects.toMatchObject(refused('NETNS_INVALID'));
    await expect(agent.client.release('test/nobody')).rejects.toMatchObject(refused('POD_UNKNOWN'));
    // @ts-expect-error the list is not typed on its way
    await expect(agent.client.setServices({ address: 'x' })).rejects.toMatchObject(refused('USAGE'));
    expect((await agent.client.pods()).map(({ name }) => name)).toEqual(['test/pod']);
  });

  it('goes on redirecting when it is killed, and the next one takes over without a gap', async () => {
    await using _proxy = await startListening(network.pod, proxy, 'proxy', [':::15001', ':::15006']);
    await using inside = await startDialling(network.pod, application, ['10.9.0.1:80']);
    await using outside = await startDialling(network.outside, root, ['10.9.0.2:8080']);
    const before = await agent.client.status();
    expect((await agent.stop('SIGKILL')).signal).toBe('SIGKILL');
    expect(await dialled()).toBe('proxy');
    await Promise.all([inside.more(2), outside.more(2)]);
    agent = instance.start();
    const after = await agent.ready();
    await Promise.all([inside.more(2), outside.more(2)]);
    expect(after.adopted).toBe(true);
    expect(after.pods).toMatchObject([{ name: 'test/pod', problems: [], cookie: network.pod.handle.cookie.toString() }]);
    expect(after.drift).toEqual({ repaired: 0, last: null });
    expect(after.counters.outbound_redirected).toBeGreaterThanOrEqual(before.counters.outbound_redirected ?? 0);
    const answers = { ...(await inside.stop()), ...(await outside.stop()) };
    expect(Object.keys(answers).sort()).toEqual(['10.9.0.1 80 proxy', '10.9.0.2 8080 proxy']);
  });

  it('ends in order and leaves the pods redirected when it is asked to end', async () => {
    expect(await agent.stop('SIGTERM')).toMatchObject({ code: 143, signal: null });
    expect(await dialled()).toBe('ECONNREFUSED');
    agent = instance.start(['--stats']);
    expect((await agent.ready()).adopted).toBe(true);
    await dialled();
    const { programs } = await agent.client.status();
    expect(programs.find(({ name }) => name === 'mr_connect4')?.runs).toBeGreaterThan(0);
  });

  it('refuses to start and changes nothing when another agent of the instance runs', async () => {
    const ids = async () => (await agent.client.status()).programs.map(({ id }) => id);
    const before = await ids();
    const second = await instance.start().ended;
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('AGENT_RUNNING');
    expect(await ids()).toEqual(before);
    const remove = await instance.start(['--remove']).ended;
    expect(remove.code).toBe(1);
    expect(remove.stderr).toContain('AGENT_RUNNING');
    expect(await dialled()).toBe('ECONNREFUSED');
  });

  it('takes everything out of the kernel when it is run with --remove', async () => {
    await agent.stop('SIGKILL');
    expect(await instance.start(['--remove']).ended).toMatchObject({ code: 0 });
    expect(await dialled()).toBe('real');
    expect(existsSync(instance.pins)).toBe(false);
    // the agent was killed: its sockets go with the rest
    expect(existsSync(dirname(instancePaths(instance.name).agentState))).toBe(false);
    // and once more, with nothing there
    expect(await instance.start(['--remove']).ended).toMatchObject({ code: 0 });
    agent = instance.start();
    expect(await agent.ready()).toMatchObject({ adopted: false, pods: [] });
  });
});

describe('millrace agent with wrong settings', () => {
  it.each<[what: string, text: string | null, code: number, said: RegExp]>([
    ['the file is missing', null, 1, /FILE_UNREADABLE/],
    ['the file is no YAML', 'pins: [', 2, /not YAML/],
    ['the file has an unknown key', 'pin: /sys/fs/bpf/x\n', 2, /pin/],
    ['a path is relative', 'cgroup: pods\n', 2, /cgroup/],
    ['the file is a list', '- pins\n', 2, /Cannot use/],
    ['the pins do not lie on a bpf file system', 'pins: /tmp\n', 3, /MACHINE_NO_BPFFS/],
  ])('says so and ends when %s', async (_what, text, code, said) => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-config-'));
    const path = join(directory, 'agent.yaml');
    try {
      if (text !== null) writeFileSync(path, text);
      const ended = await instance.run(['agent', '--instance', `${instance.name}-wrong`, '--config', path]);
      expect(ended.stderr).toMatch(said);
      expect(ended.code).toBe(code);
      expect(ended.stderr).not.toMatch(/\n {4}at /);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
