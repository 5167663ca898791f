import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { outputOption, printRows } from './print.ts';
import { runningInstance, runningInstanceOption } from './running-instance.ts';

/** `millrace pod list`: the pods of a running agent, as the kernel has them. */
export const podList = defineCommand({
  arguments: {},
  options: { instance: runningInstanceOption, output: outputOption },
  run: async ({ options, stdout }) => {
    const { agentClient } = await import('./agent-client.ts');
    const pods = await agentClient(await runningInstance(options.instance)).pods();
    await printRows(stdout, options.output, pods, [
      { title: 'NAME', value: (pod) => pod.name },
      { title: 'COOKIE', value: (pod) => pod.cookie, align: 'right' },
      { title: 'BACKEND', value: (pod) => (pod.meshed ? pod.backend : 'none') },
      { title: 'ADDRESSES', value: (pod) => pod.addresses.join(',') },
      { title: 'PROBLEMS', value: (pod) => pod.problems.join('; ') || '-' },
    ]);
    return exitCodes.done;
  },
});
