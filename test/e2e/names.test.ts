import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { until } from '../support/run-process.ts';
import { TestLab } from '../support/test-lab.ts';

// Three places outside, of which the first two have names. Who answers there speaks no HTTP: curl ends with 52 where it was connected.
const world = `apiVersion: v1
kind: Service
metadata:
  name: outside
  annotations:
    lab.millrace.io/outside: 172.20.0.10:8080, 172.20.0.11:8080, 172.20.0.12:8080, 172.20.0.13:8080, 172.20.0.14:8080
    lab.millrace.io/outside-names: >-
      api.example.com=172.20.0.10, www.example.com=api.example.com, img.cdn.example.net=172.20.0.11,
      other.example.com=172.20.0.12, late.cdn.example.net=172.20.0.13, mesh.cdn.example.net=172.20.0.14
spec: { ports: [{ port: 80 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: reader }
spec:
  selector: { matchLabels: { app: reader } }
  template:
    metadata: { labels: { app: reader, sidecar.istio.io/inject: "false" } }
    spec: { containers: [{ name: reader, image: curlimages/curl, command: [sleep, "3650d"] }] }
`;

/** Has a sidecar, and the same label. */
const meshed = `apiVersion: apps/v1
kind: Deployment
metadata: { name: meshed }
spec:
  selector: { matchLabels: { app: reader, side: car } }
  template:
    metadata: { labels: { app: reader, side: car } }
    spec: { containers: [{ name: meshed, image: curlimages/curl, command: [sleep, "3650d"] }] }
`;

const policy = (selectors: string) => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: names }
spec:
  endpointSelector: { matchLabels: { app: reader } }
  egress:
    - toEndpoints: [{ matchLabels: { k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns } }]
      toPorts: [{ ports: [{ port: "53" }] }]
    - toFQDNs: ${selectors}
      toPorts: [{ ports: [{ port: "8080", protocol: TCP }] }]
`;
const both = policy('[{ matchName: api.example.com }, { matchPattern: "*.cdn.example.net" }]');

const cleanup = new Cleanup();
let lab: TestLab;

beforeAll(async () => {
  lab = cleanup.use(await TestLab.up('names'));
  await lab.apply(`${world}---\n${meshed}`);
});

afterAll(() => cleanup[Symbol.asyncDispose]());

/** How the first and only try of curl ends: connected, timed out, or what curl ends with. */
async function dial(host: string, pod = 'deploy/reader'): Promise<string> {
  const argv = ['curl', '-s', '-o', '/dev/null', '-w', '%{time_connect}', '--connect-timeout', '2', '-m', '4', `http://${host}:8080/`];
  const { status, stdout } = await lab.exec(pod, argv);
  if (Number(stdout) > 0) return 'connected';
  return status === 28 ? 'timed out' : `curl ${status}`;
}

async function restartAgent(): Promise<void> {
  const { pid } = await lab.agent.status();
  process.kill(pid, 'SIGKILL');
  await until('a new agent', async () => {
    const now = await lab.agent.status().catch(() => null);
    return now !== null && now.pid !== pid ? now : null;
  });
  await lab.settled();
}

describe('names outside of the cluster', () => {
  it('are answered by the name server, and no policy keeps anybody from them', async () => {
    expect(await dial('api.example.com')).toBe('connected');
    expect(await dial('www.example.com')).toBe('connected');
    expect(await dial('nobody.example.com')).toBe('curl 6');
  });
});

describe('toFQDNs', () => {
  it('lets a pod reach what a name stands for from the first try on when it has asked for the name, and nothing else', async () => {
    await lab.apply(both);
    expect(await dial('172.20.0.10')).toBe('timed out');
    expect(await dial('API.Example.com.')).toBe('connected');
    expect(await dial('172.20.0.10')).toBe('connected');
    expect(await dial('172.20.0.11')).toBe('timed out');
    expect(await dial('img.cdn.example.net')).toBe('connected');
    expect(await dial('172.20.0.11')).toBe('connected');
    expect(await dial('other.example.com')).toBe('timed out');
    expect(await dial('172.20.0.12')).toBe('timed out');
    const { policies, drift } = await lab.agent.status();
    expect(policies.problem).toBe(null);
    expect(drift.repaired).toBe(0);
  });

  it('still lets it when the agent was killed, before anybody asks again', async () => {
    await restartAgent();
    expect(await dial('172.20.0.10')).toBe('connected');
    expect(await dial('172.20.0.11')).toBe('connected');
    expect(await dial('172.20.0.12')).toBe('timed out');
    expect(await dial('172.20.0.13')).toBe('timed out');
    expect((await lab.agent.status()).drift.repaired).toBe(0);
    expect(await dial('late.cdn.example.net')).toBe('connected');
  });

  it('lets a pod with a sidecar, which would connect to anything', async () => {
    expect(await dial('172.20.0.14', 'deploy/meshed')).toBe('timed out');
    expect(await dial('mesh.cdn.example.net', 'deploy/meshed')).toBe('connected');
    const argv = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-m', '4', 'http://172.20.0.12:8080/'];
    expect((await lab.exec('deploy/meshed', argv)).status).toBe(28);
  });

  it('means the name that was asked for, not what it is an alias of', async () => {
    await lab.apply(policy('[{ matchName: www.example.com }]'));
    expect(await dial('172.20.0.10')).toBe('timed out');
    expect(await dial('www.example.com')).toBe('connected');
    await lab.delete(both);
  });

  it('learns nothing that no policy asks for, and no address of the cluster', async () => {
    expect(await lab.agent.learnName({ name: 'api.example.com', addresses: ['172.20.0.10'], ttl: 60 })).toEqual({ learned: [] });
    await lab.apply(both);
    const [reader = ''] = (await lab.pod('deploy/reader')).addresses;
    const addresses = ['172.20.0.12', reader, '10.244.0.1', '10.96.0.10', '127.0.0.1'];
    expect(await lab.agent.learnName({ name: 'API.example.com.', addresses, ttl: 60 })).toEqual({ learned: ['172.20.0.12'] });
    expect(await dial('172.20.0.12')).toBe('connected');
    await lab.delete(both);
  });

  it('is answered about all the same when the agent hangs, and what was known goes on to pass', async () => {
    await lab.apply(both);
    expect(await dial('api.example.com')).toBe('connected');
    const { pid } = await lab.agent.status();
    process.kill(pid, 'SIGSTOP');
    try {
      const started = performance.now();
      expect(await dial('api.example.com')).toBe('connected');
      expect(performance.now() - started).toBeLessThan(3000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await lab.delete(both);
  });
});

describe('lab.millrace.io/outside-names', () => {
  it('is refused with its place where it is wrong, and nothing is applied', async () => {
    const wrong = world.replace('api.example.com=172.20.0.10', 'api.example.com=10.96.0.10');
    await expect(lab.apply(wrong)).rejects.toMatchObject({
      code: 'ANNOTATION_INVALID',
      message: expect.stringContaining('10.96.0.0/16 is not outside'),
    });
    expect(await dial('api.example.com')).toBe('connected');
  });
});
