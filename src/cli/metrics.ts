import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { runningInstance, runningInstanceOption } from './running-instance.ts';

/** `millrace metrics`: what Prometheus would read of an agent. */
export const metrics = defineCommand({
  description:
    'The text that Prometheus reads, by the local API: no port needs to be open. To let Prometheus read it, start the agent with --metrics-listen. What each metric means: docs/metrics.md.',
  arguments: {},
  options: { instance: runningInstanceOption },
  run: async ({ options, stdout }) => {
    const { agentClient } = await import('./agent-client.ts');
    stdout.write((await agentClient(await runningInstance(options.instance)).metrics()).text);
    return exitCodes.done;
  },
});
