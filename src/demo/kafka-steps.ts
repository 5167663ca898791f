import type { Stage } from './stage.ts';
import type { Step } from './step.ts';
import { exactly } from './step.ts';

const policy = { kind: 'CiliumNetworkPolicy', namespace: 'high-performance-app', name: 'allow-kafka-egress' } as const;
const producer = { namespace: policy.namespace } as const;
const broker = '172.20.0.10';
const port = 9092;

const direct = 'the answer to request 7, 0 connections at the sidecar';
/** Kafka's ApiVersions request, version 0, with the number 7, which the answer repeats. */
const request = '\\0\\0\\0\\x0a\\0\\x12\\0\\0\\0\\0\\0\\x07\\xff\\xff';
const script = `exec 3<>/dev/tcp/${broker}/${port}; printf '${request}' >&3; head -c 8 <&3 | od -An -tx1`;

/** The policy article's second case: raw TCP past the sidecar to a range outside of the cluster, and to nobody else there. */
export function kafkaSteps(stage: Stage): readonly Step[] {
  return [deploy(stage), apply(stage), ask(stage), other(stage)];
}

function deploy(stage: Stage): Step {
  return {
    id: 'producer',
    title: "Deploy a producer, annotated to reach Kafka's range without its sidecar",
    command: stage.typed('apply', '-f examples/sample/producer.yaml'),
    expected: 'my-producer 2/2',
    look: async () => {
      await stage.apply('sample/producer.yaml');
      return exactly('my-producer 2/2', await stage.ready('my-producer'));
    },
  };
}

function apply(stage: Stage): Step {
  return {
    id: 'kafka-policy',
    title: 'The producer may only speak with Kafka',
    command: stage.typed('apply', '-f examples/policy-article/allow-kafka-egress.yaml'),
    expected: 'valid, isolates the egress of 1 pod',
    look: async () => {
      await stage.apply('policy-article/allow-kafka-egress.yaml');
      return exactly('valid, isolates the egress of 1 pod', await stage.policyState(policy));
    },
  };
}

/** Connections that the producer's sidecar has accepted, its own administration left out. */
async function proxied(stage: Stage): Promise<number> {
  const stats = await stage.exec('my-producer', ['curl', '-s', 'http://127.0.0.1:15000/stats?filter=downstream_cx_total'], producer);
  const counts = [...stats.stdout.matchAll(/^listener\.[^ ]+_\d+\.downstream_cx_total: (\d+)$/gm)];
  if (counts.length === 0) throw new Error(`the sidecar of the producer does not say what it accepted: ${stats.stdout}`);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

function ask(stage: Stage): Step {
  return {
    id: 'kafka',
    title: 'A broker outside of the cluster answers it, and the sidecar has not seen it',
    command: stage.typed('exec', `deploy/my-producer -- timeout 3 bash -c "${script}"`),
    expected: direct,
    look: async () => {
      const before = await proxied(stage);
      const { stdout, exitCode } = await stage.exec('my-producer', ['timeout', '3', 'bash', '-c', script], producer);
      const connections = (await proxied(stage)) - before;
      const answered = /^ 00 00 00 \w\w 00 00 00 07$/.test(stdout.trimEnd());
      const answer = answered ? 'the answer to request 7' : `no answer, exit ${exitCode}`;
      return exactly(direct, `${answer}, ${connections} connections at the sidecar`, [stdout.trim()]);
    },
  };
}

function other(stage: Stage): Step {
  const url = `http://${broker}:${port + 1}`;
  const argv = ['curl', '-s', '--connect-timeout', '2', url];
  return {
    id: 'kafka-other',
    title: 'Another port of the same address is out of reach',
    command: stage.typed('exec', `deploy/my-producer -- ${argv.join(' ')}`),
    expected: 'exit 28',
    look: async () => exactly('exit 28', `exit ${(await stage.exec('my-producer', argv, producer)).exitCode}`),
  };
}
