import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { launcherPath } from '../../src/base/project.ts';
import { LabClient } from '../../src/lab/client.ts';
import { stopLab } from '../../src/lab/stop.ts';
import { parseManifests } from '../../src/manifests/parse.ts';
import { tracesOf } from '../support/instance-traces.ts';
import { ended, millrace, startProcess, until } from '../support/run-process.ts';
import { instanceName, TestLab } from '../support/test-lab.ts';

const instance = instanceName('demo');
const demo = ['demo', '--instance', instance];

// A test that fails must not leave its lab to the next one.
afterEach(() => stopLab(instance));

interface Answer {
  readonly redirect: string;
  readonly inbound: string | null;
  readonly seconds: number;
  readonly differing: number;
  readonly steps: readonly { readonly id: string; readonly expected: string; readonly seen: string; readonly asExpected: boolean }[];
}

const steps = [
  'deploy',
  'policy',
  'get-ip',
  'get-headers',
  'post',
  'access-log',
  'principal',
  'rules',
  'conntrack',
  'getpeername',
  'peer',
  'programs',
  'flow-request',
  'flow-refused',
  'database',
  'query',
  'database-policy',
  'database-denied',
  'flow-dropped',
  'database-trace',
  'producer',
  'kafka-policy',
  'kafka',
  'kafka-other',
];

describe('demo', () => {
  it.each([
    { options: [], redirect: 'ebpf', inbound: 'sk_lookup' },
    { options: ['--redirect', 'iptables'], redirect: 'iptables', inbound: null },
    { options: ['--inbound', 'bind'], redirect: 'ebpf', inbound: 'bind' },
  ])('shows every step as expected with $options', async ({ options, redirect, inbound }) => {
    const { status, stdout, stderr } = await millrace([...demo, ...options, '-o', 'json']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const answer: Answer = JSON.parse(stdout);
    expect(answer.steps.filter(({ asExpected }) => !asExpected)).toEqual([]);
    expect(answer.steps.map(({ id }) => id)).toEqual(steps);
    expect({ redirect: answer.redirect, inbound: answer.inbound, differing: answer.differing }).toEqual({
      redirect,
      inbound,
      differing: 0,
    });
    expect(answer.seconds).toBeLessThan(30);
    expect(tracesOf(instance)).toEqual([]);
  });

  it('ends with 1 and says which steps differ when the lab is not as it should be', async () => {
    const child = startProcess(launcherPath(), demo);
    const result = ended(child);
    const client = new LabClient(instance);
    await until('the lab of the demo answers', () => client.status().catch(() => null));
    // One policy more, which allows what the demo's policy does not.
    const open = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: open, namespace: demo }
spec: { selector: { matchLabels: { app: httpbin } }, action: ALLOW, rules: [{}] }
`;
    await client.apply(parseManifests(open, 'open.yaml').manifests);
    const { status, stdout } = await result;
    expect(status).toBe(1);
    expect(stdout).toMatch(/FAIL Another path is denied\n.*\n {5}expected: 403\n {5}seen: {5}200\n/);
    expect(stdout).toMatch(/ok {3}The allowed request\n/);
    expect(stdout).toMatch(/\n[0-9]+ of 24 steps as expected, /);
    // A pipe is not a terminal: no colours.
    expect(stdout).not.toContain('\u001b');
    expect(tracesOf(instance)).toEqual([]);
  });

  it('leaves the lab running with --keep, and begins anew where one was kept', async () => {
    const lab = new TestLab(instance);
    const first = await millrace([...demo, '--keep']);
    expect(first.status, first.stdout).toBe(0);
    expect(first.stdout).toContain(`the lab goes on running; end it with: millrace lab down --instance ${instance}\n`);
    const { pid } = await lab.client.status();
    expect(await lab.status('deploy/sleep', 'http://httpbin:8000/ip')).toBe('200');
    expect(await lab.status('deploy/sleep', 'http://httpbin:8000/headers')).toBe('403');
    const second = await millrace([...demo, '--keep']);
    expect(second.status, second.stdout).toBe(0);
    expect((await lab.client.status()).pid).not.toBe(pid);
    expect(await lab.cli('down')).toMatchObject({ status: 0 });
    expect(tracesOf(instance)).toEqual([]);
  });

  it.each([200, 900])('leaves nothing when Ctrl-C comes after %i ms', async (milliseconds) => {
    const child = startProcess(launcherPath(), demo);
    const result = ended(child);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    child.kill('SIGINT');
    const { status } = await result;
    expect({ status, traces: tracesOf(instance) }).toEqual({ status: 130, traces: [] });
  });

  it('leaves nothing when Ctrl-C comes between its steps, also with --keep', async () => {
    const child = startProcess(launcherPath(), [...demo, '--keep']);
    const result = ended(child);
    await once(child.stdout ?? child, 'data');
    child.kill('SIGINT');
    const { status, stdout } = await result;
    expect({ status, traces: tracesOf(instance) }).toEqual({ status: 130, traces: [] });
    expect(stdout).toMatch(/^ok {3}Deploy sleep and httpbin/);
  });
});
