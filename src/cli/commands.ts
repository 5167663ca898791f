import { entry } from './registry.ts';

/** Every command. A new one is one line here and one file beside it; the order is that of the help. */
export const commands = [
  entry('doctor', 'say what this machine can do, what is missing and how to get it', async () => (await import('./doctor.ts')).doctor),
  entry('demo', 'show the whole story on this machine, each step with its proof', async () => (await import('./demo.ts')).demo),
  entry('agent', 'run the node agent in the foreground', async () => (await import('./agent.ts')).agent),
  entry('pod add', 'enrol a network namespace with a running agent', async () => (await import('./pod-add.ts')).podAdd),
  entry('pod list', 'list the enrolled pods', async () => (await import('./pod-list.ts')).podList),
  entry('pod remove', 'release a pod', async () => (await import('./pod-remove.ts')).podRemove),
  entry('status', 'show the programs, tables and pods of a running agent', async () => (await import('./status.ts')).status),
  entry('observe', 'show flows: who spoke with whom, what was dropped and why', async () => (await import('./observe.ts')).observe),
  entry(
    'accelerate',
    'say whether connections are accelerated and why, or turn it on and off',
    async () => (await import('./accelerate.ts')).accelerate,
  ),
  entry('metrics', 'print the metrics of a running agent, as Prometheus reads them', async () => (await import('./metrics.ts')).metrics),
  entry(
    'policy apply',
    'add or change network policies, in a lab or at an agent',
    async () => (await import('./policy-apply.ts')).policyApply,
  ),
  entry('policy delete', 'remove network policies', async () => (await import('./policy-delete.ts')).policyDelete),
  entry(
    'policy list',
    'show each network policy, whom it selects, and whether it holds',
    async () => (await import('./policy-list.ts')).policyList,
  ),
  entry(
    'policy trace',
    'say whether a connection is allowed, and which rule decides, by the tables and by the kernel',
    async () => (await import('./policy-trace.ts')).policyTrace,
  ),
  entry('lab up', 'start a lab of pods on this machine and wait until it is ready', async () => (await import('./lab-up.ts')).labUp),
  entry('lab apply', 'create or change objects of a running lab', async () => (await import('./lab-apply.ts')).labApply),
  entry('lab delete', 'remove objects of a running lab', async () => (await import('./lab-delete.ts')).labDelete),
  entry('lab status', 'show pods and services of a running lab', async () => (await import('./lab-status.ts')).labStatus),
  entry('lab logs', 'show what a container has written', async () => (await import('./lab-logs.ts')).labLogs),
  entry('lab exec', 'run a command inside a container', async () => (await import('./lab-exec.ts')).labExec),
  entry('lab down', 'stop a lab and remove everything it made', async () => (await import('./lab-down.ts')).labDown),
  entry('lab daemon', 'the process behind a lab (started by lab up)', async () => (await import('./lab-daemon.ts')).labDaemon, true),
  entry(
    'conformance',
    'hold redirection to its contract, row by row, with real packets',
    async () => (await import('./conformance.ts')).conformance,
  ),
  entry(
    'torture',
    'hold accelerated connections to plain TCP, in everything that a program can do with a socket',
    async () => (await import('./torture.ts')).torture,
  ),
  entry(
    'bench',
    'measure what redirection and acceleration cost, against iptables and no mesh',
    async () => (await import('./bench.ts')).bench,
  ),
  entry('redirect rules', 'print the iptables rules of a configuration', async () => (await import('./redirect-rules.ts')).redirectRules),
];
