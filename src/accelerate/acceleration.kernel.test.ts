import { existsSync, mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AgentInstance, AgentProcess } from '../../test/support/agent-process.ts';
import { createAgentInstance } from '../../test/support/agent-process.ts';
import { instancePaths } from '../api/paths.ts';
import type { AccelerationMode, AccelerationStatus } from '../api/types.ts';
import type { Logger } from '../base/log.ts';
import { silentLogger } from '../base/log.ts';
import { createScratchNode } from '../conformance/scratch-node.ts';
import { Acceleration } from './acceleration.ts';

/** The status as soon as the self-test is over. */
async function decided(agent: AgentProcess): Promise<AccelerationStatus> {
  await agent.ready();
  await expect.poll(async () => (await agent.client.acceleration()).testing).toBe(false);
  return agent.client.acceleration();
}

describe('millrace agent', () => {
  let instance: AgentInstance;
  let leftover: string;

  beforeAll(() => {
    instance = createAgentInstance();
    leftover = join(instance.cgroup, 'millrace-self-test');
  });

  afterAll(() => instance[Symbol.asyncDispose]());

  async function withAgent<T>(args: readonly string[], use: (agent: AgentProcess) => Promise<T>): Promise<T> {
    const agent = instance.start(args);
    try {
      return await use(agent);
    } finally {
      await agent.stop('SIGTERM');
    }
  }

  it('turns acceleration on when its self-test has passed, and says so', async () => {
    await withAgent([], async (agent) => {
      const acceleration = await decided(agent);
      expect(acceleration).toMatchObject({
        mode: 'auto',
        active: true,
        reason: expect.stringContaining('the self-test passed'),
        sockets: 0,
      });
      expect(acceleration.checks.length).toBeGreaterThan(6);
      expect(acceleration.testMs).toBeLessThan(2000);
      const { stdout } = await instance.run(['status', '--instance', instance.name]);
      expect(stdout).toContain('acceleration auto is on: the self-test passed');
      expect((await agent.client.status()).pods).toEqual([]);
    });
    expect(existsSync(leftover)).toBe(false);
  });

  it('does what it is told although it cannot keep it for the next agent', async () => {
    const file = instancePaths(instance.name).agentAcceleration;
    await withAgent(['--accelerate', 'off'], async (agent) => {
      await decided(agent);
      // what is there cannot be replaced by a file
      mkdirSync(file);
      await expect(agent.client.accelerate('on')).rejects.toThrow();
      expect(await agent.client.acceleration()).toMatchObject({ mode: 'on', active: true });
    });
    rmdirSync(file);
  });

  it('keeps what an earlier agent had on while it tries it itself', async () => {
    const agent = instance.start();
    try {
      // asked at once: the self-test cannot be over, or has passed
      expect((await agent.ready()).acceleration.active).toBe(true);
      expect((await decided(agent)).active).toBe(true);
    } finally {
      await agent.stop('SIGKILL');
    }
  });

  it('keeps off what was turned off by a command, until it is started another way', async () => {
    await withAgent([], async (agent) => {
      await agent.ready();
      const { code, stdout } = await instance.run(['accelerate', 'off', '--instance', instance.name]);
      expect([code, stdout]).toEqual([0, expect.stringContaining('acceleration off is off: it was turned off by millrace accelerate off')]);
    });
    const off: Partial<AccelerationStatus> = { mode: 'off', active: false, checks: [] };
    expect(await withAgent([], decided)).toMatchObject(off);
    expect(await withAgent(['--accelerate', 'on'], decided)).toMatchObject({ mode: 'on', active: true });
    expect(await withAgent(['--accelerate', 'off'], decided)).toMatchObject({ ...off, reason: 'the agent was started with it off' });
    await withAgent(['--accelerate', 'off'], async (agent) => {
      await agent.ready();
      expect(await agent.client.accelerate('auto')).toMatchObject({ mode: 'auto', active: true });
    });
    rmSync(instancePaths(instance.name).agentAcceleration);
  });

  it('refuses a mode that there is not', async () => {
    await withAgent([], async (agent) => {
      await agent.ready();
      const wrong = await instance.run(['accelerate', 'faster', '--instance', instance.name]);
      expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('Cannot set the mode of acceleration')]);
      await expect(agent.client.accelerate('faster' as AccelerationMode)).rejects.toMatchObject({ code: 'USAGE' });
    });
  });

  it('cleans up after one that was killed in the middle of its self-test', async () => {
    const killed = instance.start();
    await killed.ready();
    // again and again, until it is caught in the act
    let last: unknown = null;
    let caught = false;
    const again = async (): Promise<void> => {
      while (!caught) last = await killed.client.accelerate('auto').catch((error: unknown) => error);
    };
    const asking = again();
    await vi.waitFor(() => expect(existsSync(leftover), JSON.stringify(last)).toBe(true), { interval: 1, timeout: 10_000 });
    caught = true;
    await killed.stop('SIGKILL');
    await asking;
    expect(existsSync(leftover)).toBe(true);
    await withAgent(['--accelerate', 'off'], async (agent) => {
      const status = await agent.ready();
      await expect.poll(() => existsSync(leftover)).toBe(false);
      const rows = Object.fromEntries(status.maps.map(({ name, entries }) => [name, entries]));
      // the kernel keeps 15 characters of a name
      expect(rows).toMatchObject({ mr_pods: 0, mr_pod_addresse: 0, mr_accelerated: 0 });
      expect(status.acceleration.active).toBe(false);
    });
  });
});

describe('Acceleration', () => {
  it.each<AccelerationMode>(['auto', 'on'])('stays off with the reason when the self-test fails and the mode is %s', async (option) => {
    await using node = await createScratchNode(`millrace-naive-${process.pid}`, 'millrace-naive');
    const lines: string[] = [];
    const say = (level: string) => (_: unknown, sentence: string) => void lines.push(`${level} ${sentence}`);
    const log: Logger = { ...silentLogger, info: say('info'), warn: say('warn'), error: say('error') };
    const file = join(node.cgroup, 'no-such-file');
    await using acceleration = await Acceleration.open({
      node: { plane: node.plane, cgroup: node.cgroup, inTurn: (work) => work() },
      option,
      file,
      log,
    });
    acceleration.start();
    await expect.poll(() => acceleration.status().testing).toBe(true);
    await expect.poll(() => acceleration.status().testing, { timeout: 20_000 }).toBe(false);
    expect(acceleration.status()).toMatchObject({ mode: option, active: false });
    expect(acceleration.status().reason).toMatch(/^the self-test failed: [a-z0-9 -]+: ./i);
    expect(node.plane.acceleration).toBe('off');
    const level = option === 'on' ? 'error' : 'warn';
    expect(lines).toEqual([expect.stringMatching(new RegExp(`^${level} .*stays off because its self-test failed$`))]);
  });
});
