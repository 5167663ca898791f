import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Cleanup } from '../../src/base/cleanup.ts';
import { launcherPath } from '../../src/base/project.ts';
import { ended, millrace, startProcess, until } from '../support/run-process.ts';
import { TestLab } from '../support/test-lab.ts';

const cleanup = new Cleanup();
let lab: TestLab;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'e2e-commands-'));
  cleanup.defer(async () => rmSync(folder, { recursive: true }));
  lab = cleanup.use(await TestLab.up('commands'));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('lab exec', () => {
  it.each([
    ['the exit status', ['sh', '-c', 'exit 7'], 7],
    ['128 + N for signal N', ['sh', '-c', 'kill -TERM $$'], 143],
    ['128 + N for SIGKILL', ['sh', '-c', 'kill -KILL $$'], 137],
    ['127 for a command that is not there', ['no-such-command'], 127],
  ])('passes on %s', async (_what, command, status) => {
    expect(await lab.cli('exec', 'deploy/sleep', '--', ...command)).toMatchObject({ status });
  });

  it('gives the command its input with -i, and none without', async () => {
    const cat = ['lab', 'exec', '--instance', lab.instance, 'deploy/sleep'];
    expect(await millrace([...cat, '-i', '--', 'cat'], { input: 'a\nb' })).toEqual({ status: 0, stdout: 'a\nb', stderr: '' });
    expect(await millrace([...cat, '--', 'cat'], { input: 'a\nb' })).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('keeps standard output and error apart, and arguments as they are', async () => {
    const seen = await lab.cli('exec', 'deploy/sleep', '--', 'sh', '-c', 'echo "$1"; echo err >&2', 'sh', `a  'b' "c" $d \\ *`);
    expect(seen).toEqual({ status: 0, stdout: `a  'b' "c" $d \\ *\n`, stderr: 'err\n' });
  });

  it('runs as the container does, or as the user that is wanted', async () => {
    const id = async (...options: readonly string[]) =>
      (await lab.cli('exec', ...options, 'deploy/sleep', '--', 'sh', '-c', 'echo $(id -u):$(id -g) $(hostname)')).stdout.trim();
    const { name } = await lab.pod('deploy/sleep');
    expect(await id()).toBe(`100:101 ${name}`);
    expect(await id('-u', '0')).toBe(`0:0 ${name}`);
    expect(await id('-u', '4242:4343')).toBe(`4242:4343 ${name}`);
    expect(await id('-c', 'istio-proxy')).toBe(`1337:1337 ${name}`);
  });

  it.each(['sleep', 'app=sleep', 'demo/sleep', 'deployment/sleep'])('finds the pod by %s', async (reference) => {
    expect(await lab.cli('exec', reference, '--', 'hostname')).toMatchObject({ stdout: `${(await lab.pod('deploy/sleep')).name}\n` });
  });

  it.each([
    ['an unknown pod', ['nobody', '--', 'true'], 1, 'POD_UNKNOWN'],
    ['an unknown namespace', ['-n', 'other', 'deploy/sleep', '--', 'true'], 1, 'POD_UNKNOWN'],
    ['an unknown container', ['-c', 'other', 'deploy/sleep', '--', 'true'], 1, 'CONTAINER_UNKNOWN'],
    ['no command', ['deploy/sleep'], 2, 'USAGE'],
    ['a user that is no number', ['-u', 'root', 'deploy/sleep', '--', 'true'], 2, 'USAGE'],
    ['an empty reference', ['deploy/', '--', 'true'], 2, 'USAGE'],
  ])('refuses %s', async (_what, args, status, code) => {
    const seen = await lab.cli('exec', ...args);
    expect(seen).toMatchObject({ status, stdout: '' });
    expect(seen.stderr).toMatch(new RegExp(`^error: Cannot [^]*\\n  solve    [^]*code     ${code} `));
  });
});

describe('lab logs', () => {
  it('shows the access log, its end, and what is written from now on until Ctrl-C', async () => {
    for (const path of ['/ip', '/headers']) expect(await lab.status('deploy/sleep', `http://httpbin:8000${path}`)).toBe('200');
    const logs = ['deploy/httpbin', '-c', 'istio-proxy'];
    const all = await until('both lines', async () => {
      const { stdout } = await lab.cli('logs', ...logs);
      return stdout.includes('"GET /headers ') ? stdout : null;
    });
    expect(all).toContain('"GET /ip ');
    const last = await lab.cli('logs', ...logs, '--tail', '1');
    expect(last.stdout.trim().split('\n')).toEqual([all.trim().split('\n').at(-1)]);
    const child = startProcess(launcherPath(), ['lab', 'logs', '--instance', lab.instance, ...logs, '-f', '--tail', '0']);
    let text = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    const result = ended(child);
    await until('the line of a request', async () => {
      await lab.status('deploy/sleep', 'http://httpbin:8000/uuid');
      return text.includes('"GET /uuid ') ? true : null;
    });
    expect(text).not.toContain('"GET /ip ');
    child.kill('SIGINT');
    expect((await result).status).toBe(130);
  });

  it('refuses an unknown pod', async () => {
    expect(await lab.cli('logs', 'nobody')).toMatchObject({ status: 1, stdout: '' });
  });
});

describe('lab status', () => {
  it('is the same in JSON and YAML, and has every pod in its table', async () => {
    const [json, yaml, table] = await Promise.all([lab.cli('status', '-o', 'json'), lab.cli('status', '-o', 'yaml'), lab.cli('status')]);
    const fromJson = JSON.parse(json.stdout);
    const fromYaml = parse(yaml.stdout);
    expect(fromJson).toMatchObject({ instance: lab.instance, state: 'settled', redirect: 'ebpf', inbound: 'sk_lookup', problems: [] });
    const pods = (status: { pods: { name: string; addresses: string[] }[] }) =>
      status.pods.map(({ name, addresses }) => ({ name, addresses }));
    expect(pods(fromYaml)).toEqual(pods(fromJson));
    expect(fromJson.pods).toHaveLength(3);
    for (const { name } of fromJson.pods) expect(table.stdout).toMatch(new RegExp(`demo +${name} +2/2 +Ready +0 `));
  });

  it.each(['status', 'down', 'logs x', 'exec x -- true', 'apply -f -', 'delete -f -'])(
    'lab %s says that no such lab runs',
    async (line) => {
      const [verb = '', ...args] = line.split(' ');
      const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: { name: x }\n';
      const seen = await millrace(['lab', verb, '--instance', 'e2e-nobody', ...args], { input: namespace });
      if (verb === 'down') expect(seen).toMatchObject({ status: 0, stdout: 'no lab runs: e2e-nobody\n' });
      else expect(seen).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('code     LAB_NOT_RUNNING') });
    },
  );
});

describe('lab apply and delete', () => {
  const pod = (value: string) => `apiVersion: v1
kind: Pod
metadata: { name: extra, namespace: demo, labels: { sidecar.istio.io/inject: "false" } }
spec: { containers: [{ name: extra, image: busybox, command: [sleep, "1000"], env: [{ name: V, value: "${value}" }] }] }
`;

  it('say what became of each object, and may be repeated', async () => {
    const path = file('extra.yaml', pod('1'));
    const lines = async (verb: string, ...more: readonly string[]) => {
      const { status, stdout } = await lab.cli(verb, '-f', path, ...more);
      await lab.settled();
      return `${status} ${stdout}`;
    };
    expect(await lines('apply')).toBe('0 pod/extra created\n');
    const { holderPid } = await lab.pod('extra');
    expect(await lines('apply')).toBe('0 pod/extra unchanged\n');
    expect((await lab.pod('extra')).holderPid).toBe(holderPid);
    file('extra.yaml', pod('2'));
    expect(await lines('apply')).toBe('0 pod/extra configured\n');
    expect(await lab.exec('extra', ['printenv', 'V'])).toMatchObject({ stdout: '2\n' });
    expect(await lines('delete')).toBe('0 pod/extra deleted\n');
    expect(await lines('delete')).toBe('1 pod/extra not found\n');
    expect(await lines('delete', '--ignore-not-found')).toBe('0 pod/extra not found\n');
    expect((await lab.client.pods()).map(({ owner }) => owner)).not.toContain('extra');
  });

  it("take the policy article's CiliumNetworkPolicy, and say of an invalid one that it is not enforced and why", async () => {
    const path = new URL('../../examples/policy-article/allow-kafka-egress.yaml', import.meta.url).pathname;
    expect(await lab.cli('apply', '-f', path)).toMatchObject({
      status: 0,
      stdout: 'ciliumnetworkpolicy.cilium.io/allow-kafka-egress created\n',
      stderr: '',
    });
    expect((await lab.client.status()).unenforced).toEqual([]);
    const text = readFileSync(path, 'utf8');
    const invalid = file('invalid.yaml', text.replace('protocol: TCP', 'protocol: TCP\n      rules: { http: [{ method: GET }] }'));
    const seen = await lab.cli('apply', '-f', invalid);
    expect(seen).toMatchObject({ status: 0, stdout: 'ciliumnetworkpolicy.cilium.io/allow-kafka-egress configured\n' });
    expect(seen.stderr).toMatch(
      /^warning: CiliumNetworkPolicy allow-kafka-egress is invalid and not enforced: L7 rules .*\(.*invalid\.yaml:\d+\)\n$/,
    );
    expect((await lab.client.status()).unenforced).toEqual([
      { kind: 'CiliumNetworkPolicy', namespace: 'high-performance-app', name: 'allow-kafka-egress' },
    ]);
    expect((await lab.cli('status')).stdout).toContain(
      'invalid, not enforced: CiliumNetworkPolicy high-performance-app/allow-kafka-egress: L7',
    );
    expect(await lab.cli('delete', '-f', path)).toMatchObject({ status: 0 });
  });

  it('warn of a policy that selects nothing, with its place', async () => {
    const text = readFileSync(new URL('../../examples/policy-article/istio-l7-policy.yaml', import.meta.url), 'utf8');
    const path = file('policy.yaml', text.replace('app: httpbin', 'app: nothing'));
    const seen = await lab.cli('apply', '-f', path);
    expect(seen).toMatchObject({ status: 0, stdout: 'authorizationpolicy.security.istio.io/httpbin-viewer created\n' });
    expect(seen.stderr).toMatch(/^warning: .*(select|match).* \(.*policy\.yaml:\d+\)\n$/);
    expect(await lab.cli('delete', '-f', path)).toMatchObject({ status: 0 });
  });

  it('change nothing when one object of many is wrong', async () => {
    const path = file(
      'mixed.yaml',
      `${pod('1')}---\n${pod('1').replace('name: extra,', 'name: other,').replace('image: busybox', 'image: redis:7')}`,
    );
    const seen = await lab.cli('apply', '-f', path);
    expect(seen).toMatchObject({ status: 1, stdout: '' });
    expect(seen.stderr).toContain('IMAGE_UNKNOWN');
    expect((await lab.client.pods()).map(({ owner }) => owner)).toEqual(['httpbin', 'sensitive-db', 'sleep']);
  });

  it('take the sample as it is: nothing changes', async () => {
    const example = (name: string) => new URL(`../../examples/${name}`, import.meta.url).pathname;
    const seen = await lab.cli('apply', '-n', 'demo', '-f', example('policy-article/sample.yaml'));
    expect(seen.status).toBe(0);
    expect(
      seen.stdout
        .trim()
        .split('\n')
        .every((line) => line.endsWith(' unchanged')),
    ).toBe(true);
  });
});

describe('status and doctor', () => {
  it('the agent answers, with programs, tables and pods', async () => {
    const { status, stdout } = await millrace(['status', '--instance', lab.instance, '-o', 'json']);
    const seen = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(seen.pods).toHaveLength(3);
    expect(seen.programs.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(['mr_connect4', 'mr_sk_lookup']));
    // The agent of a small node; docs and the issue promise less than 120 MiB.
    expect(seen.rssBytes).toBeLessThan(120 * 1024 * 1024);
  });

  it('the machine is good enough', async () => {
    const { status, stdout } = await millrace(['doctor', '-o', 'json']);
    expect({ status, kind: typeof JSON.parse(stdout) }).toEqual({ status: 0, kind: 'object' });
  });
});
