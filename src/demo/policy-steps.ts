import type { Stage } from './stage.ts';
import type { Step } from './step.ts';
import { exactly } from './step.ts';

const client = 'spiffe://cluster.local/ns/demo/sa/sleep';

/** The policy article's steps 2 and 3, from its own files: the sample, the policy, three requests, and what the sidecar wrote of them. */
export function policySteps(stage: Stage): readonly Step[] {
  return [
    {
      id: 'deploy',
      title: 'Deploy sleep and httpbin, each with a sidecar',
      command: stage.typed('apply', '-n demo -f examples/policy-article/sample.yaml'),
      expected: 'httpbin 2/2, sleep 2/2',
      look: async () => {
        await stage.apply('sample/namespace.yaml', 'policy-article/sample.yaml');
        const pods = await stage.settled();
        const seen = pods.map(({ owner, containers }) => `${owner} ${containers.filter(({ ready }) => ready).length}/${containers.length}`);
        return exactly('httpbin 2/2, sleep 2/2', seen.sort().join(', '));
      },
    },
    {
      id: 'policy',
      title: 'Only GET /ip may be called, and only by sleep',
      command: stage.typed('apply', '-n demo -f examples/policy-article/istio-l7-policy.yaml'),
      expected: 'applied',
      look: async () => {
        await stage.apply('policy-article/istio-l7-policy.yaml');
        return exactly('applied', 'applied');
      },
    },
    request(stage, 'get-ip', 'The allowed request', ['http://httpbin:8000/ip'], '200'),
    request(stage, 'get-headers', 'Another path is denied', ['http://httpbin:8000/headers'], '403'),
    request(stage, 'post', 'Another method is denied', ['-X', 'POST', 'http://httpbin:8000/post'], '403'),
    {
      id: 'access-log',
      title: "The sidecar's access log says why",
      command: stage.typed('logs', 'deploy/httpbin -c istio-proxy | grep /headers'),
      expected: '403 rbac_access_denied_matched_policy[none]',
      look: async () => {
        const line = await stage.accessLogLine('httpbin', (text) => text.includes('"GET /headers '));
        const fields = line === null ? null : /" (\d{3}) \S+ (rbac_access_denied\S+) /.exec(line);
        return exactly(
          '403 rbac_access_denied_matched_policy[none]',
          fields === null ? 'no such line' : `${fields[1]} ${fields[2]}`,
          line === null ? [] : [line],
        );
      },
    },
    {
      id: 'principal',
      title: 'The server knows the client by its certificate',
      command: stage.typed('logs', 'deploy/httpbin -c istio-proxy | grep "GET /ip"'),
      expected: client,
      look: async () => {
        const line = await stage.accessLogLine('httpbin', (text) => text.includes('"GET /ip '));
        return exactly(client, /"(spiffe:[^"]+)"/.exec(line ?? '')?.[1] ?? 'no such line', line === null ? [] : [line]);
      },
    },
  ];
}

function request(stage: Stage, id: string, title: string, args: readonly string[], expected: string): Step {
  return {
    id,
    title,
    command: stage.typed('exec', `deploy/sleep -- curl -s -o /dev/null -w '%{http_code}' ${args.join(' ')}`),
    expected,
    look: async () =>
      exactly(expected, (await stage.exec('sleep', ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', ...args])).stdout),
  };
}
