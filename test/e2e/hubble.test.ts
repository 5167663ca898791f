import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FlowServer } from '../support/flow-server.ts';
import { playWorld, startFlowServer } from '../support/flow-server.ts';
import { hubbleBuildMs, hubbleCli } from '../support/hubble-cli.ts';
import { runCommand } from '../support/run-command.ts';
import type { Ran } from '../support/run-process.ts';
import { runProcess } from '../support/run-process.ts';

let built: Awaited<ReturnType<typeof hubbleCli>>;
let server: FlowServer;

beforeAll(async () => {
  built = await hubbleCli();
  if ('missing' in built) process.stderr.write(`the real hubble is not compared with: ${built.missing}\n`);
  server = await startFlowServer({ tcp: { host: '127.0.0.1', port: 0 } });
  playWorld(server);
}, hubbleBuildMs);

afterAll(() => server[Symbol.asyncDispose]());

interface Skippable {
  readonly skip: (reason: string) => void;
}

/** The real command's answer. */
async function hubble(context: Skippable, ...args: readonly string[]): Promise<Ran> {
  if ('missing' in built) {
    context.skip(built.missing);
    throw new Error(built.missing);
  }
  // its configuration is the user's otherwise
  return runProcess(built.path, [...args, '--server', server.service.tcpAddress ?? ''], {
    env: { HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' },
  });
}

/** Command lines that both commands must answer with the same bytes. */
const alike: readonly (readonly string[])[] = [
  ['-o', 'compact'],
  ['-o', 'dict'],
  ['-o', 'table'],
  ['-o', 'json', '--all'],
  ['-o', 'jsonpb', '--last', '3'],
  ['--all', '--color', 'always'],
  ['--all', '-o', 'dict', '--color', 'always'],
  ['--all', '-o', 'table', '--color', 'always', '--print-node-name'],
  ['--all', '--print-node-name', '--print-policy-names'],
  ['--all', '--print-node-name', '--print-policy-names', '-o', 'dict'],
  ['--all', '--numeric'],
  ['--all', '--ip-translation=false', '-o', 'table'],
  ['--all', '--use-default-field-masks=false'],
  ...[
    'StampMilli',
    'YearMonthDay',
    'YearMonthDayHour',
    'YearMonthDayHourMinute',
    'RFC3339',
    'RFC3339Milli',
    'RFC3339Micro',
    'RFC3339Nano',
    'RFC1123Z',
  ].map((format) => ['--first', '2', '--time-format', format]),
  ['--verdict', 'DROPPED'],
  ['--not', '--verdict', 'FORWARDED'],
  ['--drop-reason-desc', 'POLICY_DENY'],
  ['--from-label', 'app=sleep', '--to-label', 'app=sensitive-db'],
  ['--label', 'app in (httpbin, x),version', '-o', 'json'],
  ['--label', 'k8s:app!=sleep'],
  ['--to-label', 'reserved:world'],
  ['--to-pod', 'sample/sensitive'],
  ['--pod', 'httpbin'],
  ['--namespace', 'sample', '--to-port', '5432'],
  ['--from-namespace', 'default'],
  ['-A'],
  ['--to-all-namespaces', '--protocol', 'tcp'],
  ['--to-service', 'httpbin'],
  ['--workload', 'Deployment/httpbin'],
  ['--from-workload', 'sleep', '--to-workload', 'StatefulSet/'],
  ['--to-ip', '10.244.0.0/16', '--not', '--to-port', '80'],
  ['--ip', 'fd00::7'],
  ['--to-fqdn', '*.com'],
  ['--identity', 'world'],
  ['--from-identity', '300', '--to-identity', '301'],
  ['--cluster', 'default', '--last', '2'],
  ['--port', '80'],
  ['--from-port', '80'],
  ['--protocol', 'icmp', '--protocol', 'SCTP'],
  ['--protocol', 'dns'],
  ['--tcp-flags', 'SYN,ACK', '--tcp-flags', 'fin'],
  ['--type', 'trace:to-stack'],
  ['--type', 'drop', '--type', 'policy-verdict'],
  ['--type', '7'],
  ['-t', 'l7'],
  ['--traffic-direction', 'ingress'],
  ['--ipv6'],
  ['-4', '--last', '1'],
  ['--ip-version', 'none'],
  ['--interface', 'mr-sleep'],
  ['--node-name', 'node-*', '--last', '1'],
  ['--node-name', 'other/*'],
  ['--http-status', '4+'],
  ['--http-status', '200', '-o', 'json'],
  ['--http-method', 'get'],
  ['--http-path', '^/i'],
  ['--http-url', 'httpbin:8000/post$'],
  ['--http-header', 'X-Request-Id:0a1c'],
  ['--unencrypted', '--last', '1'],
  ['--encrypted'],
  ['--trace-id', 'x'],
  ['--since', '2026-01-02T03:04:06Z', '--until', '2026-01-02T03:04:07Z'],
  ['--until', '2026-01-02T03:04:05.3Z'],
  ['--since', '2026-01-02', '--first', '3'],
  ['--print-raw-filters'],
  ['--print-raw-filters', '--pod', 'a', '--not', '--from-ip', '10.0.0.1', '--label', "a=b'c"],
  ['--print-raw-filters', '--http-header', 'a:<b>', '--type', 'l7', '--identity', 'host', '-n', 'x'],
  ['--print-raw-filters', '--to-service', 's', '--to-namespace', 'one', '--to-namespace', 'two', '--encrypted', '--ip-trace-id', '12'],
  ['-o', 'json', '--field-mask', 'time,source.pod_name,l4', '--last', '3'],
  ['--allowlist', '{"source_pod":["sample/"]} {"verdict":["AUDIT"]}', '--denylist', '{"verdict":["DROPPED"]}'],
];

describe('millrace observe', () => {
  it.each(alike.map((args) => [args.join(' '), args] as const))(
    'prints what hubble observe prints for %s',
    async (_name, args, ...rest) => {
      expect(rest).toEqual([]);
      const ours = await runCommand(['observe', ...args, '--server', server.address]);
      expect(ours).toMatchObject({ status: 0, stderr: '' });
      if ('missing' in built) return;
      const theirs = await runProcess(built.path, ['observe', ...args, '--server', server.service.tcpAddress ?? ''], {
        env: { HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' },
      });
      expect(theirs).toMatchObject({ status: 0, stderr: '' });
      expect(ours.stdout).toBe(theirs.stdout);
    },
  );

  it('reads flows from a file as hubble does, and the other way round', async (context) => {
    const { stdout } = await runCommand(['observe', '--all', '-o', 'json', '--server', server.address]);
    const ours = await runCommand(['observe', '--input-file', '-', '--from-label', 'app=sleep', '--print-node-name'], { input: stdout });
    expect(ours.stdout.split('\n').length).toBeGreaterThan(10);
    if ('missing' in built) return context.skip(built.missing);
    const theirs = await runProcess(built.path, ['observe', '--input-file', '-', '--from-label', 'app=sleep', '--print-node-name'], {
      input: stdout,
      env: { HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' },
    });
    expect(ours.stdout).toBe(theirs.stdout);
  });
});

describe('the Hubble API', () => {
  it('satisfies hubble status', async (context) => {
    const status = await hubble(context, 'status');
    expect(status).toMatchObject({ status: 0, stderr: '' });
    expect(status.stdout).toMatch(
      /^Healthcheck \(via .*\): Ok\nCurrent\/Max Flows: 22\/4,095 \(0\.54%\)\nFlows\/s: [0-9.]+\nConnected Nodes: 1\/1\n$/,
    );
  });

  it('satisfies hubble list nodes and hubble list namespaces', async (context) => {
    const nodes = await hubble(context, 'list', 'nodes', '-o', 'wide');
    expect(nodes.stdout.split('\n')[1]).toMatch(
      /^node-a +Connected +.* 22\/4095 \( {2}0\.54%\) +millrace v\S+ +127\.0\.0\.1:\d+ +Disabled$/,
    );
    const namespaces = await hubble(context, 'list', 'namespaces', '-o', 'wide');
    expect(namespaces.stdout).toBe('NAMESPACE   CLUSTER\ndefault     default\nsample      default\n');
  });

  it('ends the streams of agent and debug events at once', async (context) => {
    expect(await hubble(context, 'observe', 'agent-events')).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(await hubble(context, 'observe', 'debug-events')).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });

  it('tells hubble why it refuses a filter', async (context) => {
    const refused = await hubble(context, 'observe', '--http-path', '(a+)+');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('Cannot filter by http_path because it repeats a group that repeats something');
  });
});
