import { readFileSync, readlinkSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { launcherPath } from '../../src/base/project.ts';
import { stopLab } from '../../src/lab/stop.ts';
import { livingPrograms, tracesOf } from '../support/instance-traces.ts';
import { ended, millrace, startProcess, until } from '../support/run-process.ts';
import { instanceName, TestLab } from '../support/test-lab.ts';

const small = `apiVersion: v1
kind: Namespace
metadata: { name: demo, labels: { istio-injection: enabled } }
---
apiVersion: v1
kind: Pod
metadata: { name: one, namespace: demo }
spec: { containers: [{ name: one, image: kennethreitz/httpbin }] }
`;
const instances = new Set<string>();

function named(name: string): string {
  const instance = instanceName(name);
  instances.add(instance);
  return instance;
}

// A test that fails must not leave its lab to the next one.
afterEach(async () => {
  for (const instance of instances) await stopLab(instance);
  instances.clear();
});

function up(instance: string) {
  return millrace(['lab', 'up', '--instance', instance, '-f', '-'], { input: small });
}

/** The network namespaces of a lab, and the programs of its agent, by number. */
async function inventory(lab: TestLab): Promise<{ readonly namespaces: readonly string[]; readonly programs: readonly number[] }> {
  const [pods, agent] = await Promise.all([lab.client.pods(), lab.agent.status()]);
  const namespaces = [...pods.map(({ netns }) => netns ?? ''), lab.nodeNetns].map((path) => readlinkSync(path));
  return { namespaces, programs: agent.programs.map(({ id }) => id) };
}

async function expectGone(instance: string, { namespaces, programs }: Awaited<ReturnType<typeof inventory>>): Promise<void> {
  expect(tracesOf(instance)).toEqual([]);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  expect(namespaces.filter((name) => mounts.includes(name))).toEqual([]);
  await until('the kernel frees the programs', () => (livingPrograms(programs).length === 0 ? true : null));
}

describe('lab down', () => {
  it('leaves nothing, and says so the second time', async () => {
    const lab = new TestLab(named('down'));
    expect(await up(lab.instance)).toMatchObject({ status: 0 });
    const before = await inventory(lab);
    expect(before.programs.length).toBeGreaterThan(8);
    expect(tracesOf(lab.instance).length).toBeGreaterThan(5);
    expect(await lab.cli('down')).toEqual({ status: 0, stdout: `stopped the lab: ${lab.instance}\n`, stderr: '' });
    await expectGone(lab.instance, before);
    expect(await lab.cli('down')).toMatchObject({ status: 0, stdout: `no lab runs: ${lab.instance}\n` });
  });
});

describe('lab up', () => {
  it.each([150, 400, 800, 1200, 1600])('leaves nothing when Ctrl-C comes after %i ms', async (milliseconds) => {
    const instance = named('interrupted');
    const child = startProcess(launcherPath(), ['lab', 'up', '--instance', instance]);
    const result = ended(child);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    child.kill('SIGINT');
    const { status, stdout } = await result;
    expect({ status, stdout, traces: tracesOf(instance) }).toEqual({ status: 130, stdout: '', traces: [] });
  });

  it('after a lab that was killed begins anew, and nothing of the old one is left', async () => {
    const lab = new TestLab(named('killed'));
    expect(await up(lab.instance)).toMatchObject({ status: 0 });
    const first = await inventory(lab);
    process.kill((await lab.client.status()).pid, 'SIGKILL');
    await until('the lab is dead', () =>
      lab.client.status().then(
        () => null,
        () => true,
      ),
    );
    expect(tracesOf(lab.instance)).not.toEqual([]);
    expect(await up(lab.instance)).toMatchObject({ status: 0 });
    expect(await lab.status('one', 'http://127.0.0.1:80/ip')).toBe('200');
    const second = await inventory(lab);
    await until('the kernel frees the programs', () => (livingPrograms(first.programs).length === 0 ? true : null));
    process.kill((await lab.client.status()).pid, 'SIGKILL');
    await until('the lab is dead', () =>
      lab.client.status().then(
        () => null,
        () => true,
      ),
    );
    expect(await lab.cli('down')).toMatchObject({ status: 0, stdout: `no lab ran; removed what one had left: ${lab.instance}\n` });
    await expectGone(lab.instance, second);
  });

  it('is refused where one of this name runs, which goes on', async () => {
    const lab = new TestLab(named('twice'));
    expect(await up(lab.instance)).toMatchObject({ status: 0 });
    const { pid } = await lab.client.status();
    const again = await up(lab.instance);
    expect(again).toMatchObject({ status: 1, stdout: '' });
    expect(again.stderr).toContain('LAB_RUNNING');
    expect(await lab.client.status()).toMatchObject({ pid, state: 'settled' });
    expect(await lab.status('one', 'http://127.0.0.1:80/ip')).toBe('200');

    // Another name is another lab: same addresses, nothing shared.
    const other = new TestLab(named('beside'));
    expect(await up(other.instance)).toMatchObject({ status: 0 });
    expect(await other.status('one', 'http://127.0.0.1:80/ip')).toBe('200');
    expect(await other.cli('down')).toMatchObject({ status: 0 });
    expect(tracesOf(other.instance)).toEqual([]);
    expect(await lab.status('one', 'http://127.0.0.1:80/ip')).toBe('200');
  });
});
