import { entry } from './registry.ts';

/** Every command. A new one is one line here and one file beside it; the order is that of the help. */
export const commands = [
  entry('doctor', 'say what this machine can do, what is missing and how to get it', async () => (await import('./doctor.ts')).doctor),
  entry('agent', 'run the node agent in the foreground', async () => (await import('./agent.ts')).agent),
  entry('pod add', 'enrol a network namespace with a running agent', async () => (await import('./pod-add.ts')).podAdd),
  entry('pod list', 'list the enrolled pods', async () => (await import('./pod-list.ts')).podList),
  entry('pod remove', 'release a pod', async () => (await import('./pod-remove.ts')).podRemove),
  entry('status', 'show the programs, tables and pods of a running agent', async () => (await import('./status.ts')).status),
  entry('redirect rules', 'print the iptables rules of a configuration', async () => (await import('./redirect-rules.ts')).redirectRules),
];
