import { readFile } from 'node:fs/promises';
import { exitCodes, UserError } from '../base/errors.ts';
import type { PodRequest } from '../pods/types.ts';
import { defineCommand } from './command.ts';
import { checkInstance, instanceOption } from './instance.ts';

/** `millrace pod add`: enrols a network namespace with a running agent. */
export const podAdd = defineCommand({
  description:
    'From now on new TCP connections of processes in this network namespace go through the proxy that listens there. The processes must be in the cgroup of the agent.',
  arguments: { NAME: { kind: 'required', summary: 'NAMESPACE/NAME, or a bare name' } },
  options: {
    netns: { kind: 'text', value: 'PATH', summary: 'the network namespace: /run/netns/X or /proc/PID/ns/net' },
    annotation: {
      kind: 'list',
      value: 'K=V',
      summary: "one of Istio's annotations, for instance traffic.sidecar.istio.io/excludeOutboundPorts=5432",
    },
    label: { kind: 'list', value: 'K=V', summary: 'a label of the pod' },
    'uid-map': { kind: 'text', value: 'FILE', summary: "the pod's /proc/PID/uid_map where it has a user namespace of its own" },
    backend: {
      kind: 'choice',
      choices: ['auto', 'sk_lookup', 'bind', 'iptables'],
      default: 'auto',
      summary: "who redirects: eBPF with one of two ways inbound, or Istio's rules; auto asks the kernel",
    },
    instance: instanceOption('default'),
  },
  examples: ['millrace pod add demo/web --netns /run/netns/web --annotation traffic.sidecar.istio.io/excludeInboundPorts=9090'],
  run: async ({ arguments: { NAME: name }, options, stdout }) => {
    if (options.netns === null) {
      throw new UserError('USAGE', `Cannot enrol ${name} because --netns is missing`, {
        cure: 'Name a network namespace: /run/netns/NAME, or /proc/PID/ns/net of a process in it.',
        exitCode: exitCodes.usage,
      });
    }
    const { agentClient } = await import('./agent-client.ts');
    const status = await agentClient(checkInstance(options.instance)).enrol({
      name,
      netns: options.netns,
      labels: pairs('label', options.label),
      annotations: pairs('annotation', options.annotation),
      uidMap: options['uid-map'] === null ? null : await readMap(options['uid-map']),
      meshed: true,
      backend: backendOf(options.backend),
    });
    stdout.write(`${status.name} enrolled, redirected by ${status.backend}, cookie ${status.cookie}\n`);
    for (const problem of status.problems) stdout.write(`  ${problem}\n`);
    return exitCodes.done;
  },
});

function backendOf(choice: string): PodRequest['backend'] {
  return choice === 'sk_lookup' || choice === 'bind' || choice === 'iptables' ? choice : 'auto';
}

function pairs(option: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=');
      if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
      throw new UserError('USAGE', `Cannot read --${option} because it has no key and value: current value ${JSON.stringify(text)}`, {
        cure: `Write --${option} KEY=VALUE.`,
        exitCode: exitCodes.usage,
      });
    }),
  );
}

async function readMap(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new UserError('FILE_UNREADABLE', `Cannot read the id map because the file does not open: ${path}`, {
      cure: 'Check the path.',
      cause,
    });
  });
}
