import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { checkInstance, instanceOption } from './instance.ts';

/** `millrace pod remove`: releases a pod. */
export const podRemove = defineCommand({
  description: 'Connections that exist live on; new ones are no longer redirected.',
  arguments: { NAME: { kind: 'required', summary: 'as in pod list' } },
  options: { instance: instanceOption('default') },
  run: async ({ arguments: { NAME: name }, options, stdout }) => {
    const { agentClient } = await import('./agent-client.ts');
    await agentClient(checkInstance(options.instance)).release(name);
    stdout.write(`${name} released\n`);
    return exitCodes.done;
  },
});
