import { machinePrograms } from '../lab/machine.ts';
import { dropStep } from './flow-steps.ts';
import type { Stage } from './stage.ts';
import type { Step } from './step.ts';
import { exactly } from './step.ts';

const policy = { kind: 'CiliumNetworkPolicy', namespace: 'demo', name: 'db-access-control' } as const;
const url = 'http://sensitive-db:5432';
const port = 5432;

/** The policy article's step 4, from its own file: a database that answers, a policy of the kernel's, and a connection that never comes about. */
export function databaseSteps(stage: Stage): readonly Step[] {
  return [deploy(stage), query(stage), apply(stage), refused(stage), dropStep(stage), trace(stage)];
}

function deploy(stage: Stage): Step {
  return {
    id: 'database',
    title: 'Deploy a database, with a sidecar too',
    command: stage.typed('apply', '-f examples/sample/sensitive-db.yaml'),
    expected: 'sensitive-db 2/2',
    look: async () => {
      await stage.apply('sample/sensitive-db.yaml');
      return exactly('sensitive-db 2/2', await stage.ready('sensitive-db'));
    },
  };
}

function query(stage: Stage): Step {
  const psql = [`${machinePrograms('').postgres ?? ''}/psql`, '-h', 'sensitive-db', '-U', 'postgres', '-Atc', 'select version()'];
  const argv = ['env', 'PGPASSWORD=changeme', 'PGCONNECT_TIMEOUT=5', ...psql];
  return {
    id: 'query',
    title: 'Without a policy PostgreSQL answers sleep, through both sidecars',
    command: stage.typed('exec', `deploy/sleep -- env PGPASSWORD=changeme psql -h sensitive-db -U postgres -Atc 'select version()'`),
    expected: 'PostgreSQL',
    look: async () => {
      const { stdout, exitCode } = await stage.exec('sleep', argv);
      return exactly('PostgreSQL', /^PostgreSQL/.exec(stdout)?.[0] ?? `psql ended with ${exitCode}`, [stdout.trim()]);
    },
  };
}

function apply(stage: Stage): Step {
  return {
    id: 'database-policy',
    title: 'No TCP connection may reach the database',
    command: stage.typed('apply', '-n demo -f examples/policy-article/dummy-db-and-policy.yaml'),
    expected: 'valid, isolates the ingress of 1 pod',
    look: async () => {
      await stage.apply('policy-article/dummy-db-and-policy.yaml');
      return exactly('valid, isolates the ingress of 1 pod', await stage.policyState(policy));
    },
  };
}

function refused(stage: Stage): Step {
  // With Istio's rules the sidecar takes the connection before anybody can know where it leads; what it sends on is dropped.
  const caught = stage.options.redirect === 'iptables';
  const expected = caught ? 'connected to its own sidecar, which gets no further' : 'exit 28, no connection';
  const limits = caught ? ['-m', '3'] : ['--connect-timeout', '2'];
  return {
    id: 'database-denied',
    title: 'The kernel drops the SYN to the database',
    command: stage.typed('exec', `deploy/sleep -- curl ${limits.join(' ')} ${url}`),
    expected,
    look: async () => {
      const argv = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code} %{time_connect} %{time_total}', ...limits, url];
      const { exitCode, stdout } = await stage.exec('sleep', argv);
      const [status = '', connected = '', total = ''] = stdout.split(' ');
      const seen =
        exitCode !== 28
          ? `exit ${exitCode}, HTTP ${status}`
          : Number(connected) === 0
            ? 'exit 28, no connection'
            : 'connected to its own sidecar, which gets no further';
      return exactly(expected, seen, [`curl: (${exitCode}) after ${total} s; connected after ${connected} s`]);
    },
  };
}

function trace(stage: Stage): Step {
  const expected = 'deny by CiliumNetworkPolicy demo/db-access-control, as the loaded programs do';
  return {
    id: 'database-trace',
    title: 'The rule that decided, by the tables and by the programs in the kernel',
    command: `millrace policy trace --instance ${stage.options.instance} --from deploy/sleep --to deploy/sensitive-db --port ${port}`,
    expected,
    look: async () => {
      const [source, destination] = await Promise.all([stage.address('sleep'), stage.address('sensitive-db', 'postgres')]);
      const { verdict, agrees, sides } = await stage.agent.tracePolicy({ source, destination, protocol: 6, port });
      const rule = /\b[A-Za-z]+ demo\/db-access-control/.exec(sides.find((side) => side.verdict === 'deny')?.text ?? '')?.[0];
      const seen = `${verdict} by ${rule ?? 'no rule'}, ${agrees ? 'as the loaded programs do' : 'but the loaded programs do not agree'}`;
      return exactly(
        expected,
        seen,
        sides.map(({ text }) => text),
      );
    },
  };
}
