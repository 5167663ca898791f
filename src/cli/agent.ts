import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { flowOptions } from './flow-options.ts';
import { checkInstance, instanceOption } from './instance.ts';

/** `millrace agent`: the node agent in the foreground. */
export const agent = defineCommand({
  description:
    'Redirects the pods that it is told of until it is stopped. What it put into the kernel stays when it ends, however it ends, and the next one takes it over; --remove takes it out.',
  arguments: {},
  options: {
    config: { kind: 'text', value: 'FILE', summary: 'YAML with the keys instance, cgroup, pins, stats, accelerate; the command line wins' },
    instance: instanceOption('default'),
    cgroup: { kind: 'text', value: 'PATH', summary: 'the cgroup v2 directory of the pods; CGROUP2/millrace/INSTANCE/pods unless given' },
    pins: { kind: 'text', value: 'DIR', summary: 'where to pin, on a bpf file system; BPFFS/millrace/INSTANCE unless given' },
    'node-netns': {
      kind: 'text',
      value: 'PATH',
      summary: "the network namespace that the pods' interfaces lead to; the agent's own unless given",
    },
    stats: { kind: 'flag', summary: 'count the runs and the time of every program' },
    accelerate: {
      kind: 'choice',
      choices: ['auto', 'on', 'off'],
      summary:
        'connections between pods of this node past TCP; auto, unless given: where the self-test passes; on: the same, and a warning where it does not',
    },
    ...flowOptions,
    remove: { kind: 'flag', summary: 'detach and remove everything of this instance, and end' },
    'log-level': { kind: 'choice', choices: ['debug', 'info', 'warn', 'error'], default: 'info', summary: 'how much to log' },
  },
  examples: ['millrace agent --cgroup /sys/fs/cgroup/kubepods.slice', 'millrace agent --remove'],
  run: async ({ options, signal, stdout }) => {
    const { requireRoot } = await import('./require-root.ts');
    requireRoot('run the agent');
    const { agentSettings } = await import('./agent-settings.ts');
    const settings = await agentSettings(options, checkInstance);
    const { createLogger } = await import('../base/log.ts');
    if (options.remove) {
      const { removeEverything } = await import('../agent/remove.ts');
      await removeEverything(settings);
      stdout.write(`removed everything of instance ${settings.instance}\n`);
      return exitCodes.done;
    }
    const { keepMemorySmall } = await import('../agent/process-memory.ts');
    keepMemorySmall();
    const { runAgent } = await import('../agent/agent.ts');
    await runAgent(settings, createLogger({ level: options['log-level'] ?? 'info', name: 'agent' }), signal);
    return exitCodes.done;
  },
});
