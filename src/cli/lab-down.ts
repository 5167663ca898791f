import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { checkInstance } from './instance.ts';
import { labInstance } from './lab-options.ts';

/** `millrace lab down`: stop everything and leave nothing behind. */
export const labDown = defineCommand({
  description:
    'Stops every pod, the agent and the lab itself, and removes namespaces, cgroups, mounts, pins and files. Also what a lab that was killed has left.',
  arguments: {},
  options: { instance: labInstance },
  run: async ({ options, stdout }) => {
    const instance = checkInstance(options.instance);
    const { requireRoot } = await import('./require-root.ts');
    requireRoot('stop the lab');
    const { stopLab } = await import('../lab/stop.ts');
    const result = await stopLab(instance);
    stdout.write(`${sentences[result]}: ${instance}\n`);
    return exitCodes.done;
  },
});

const sentences = { stopped: 'stopped the lab', cleaned: 'no lab ran; removed what one had left', absent: 'no lab runs' } as const;
