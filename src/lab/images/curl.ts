import { exitCodes, UserError } from '../../base/errors.ts';
import type { ImageRecipe } from './image.ts';

/** curl and the shell of the machine. Like the image, a first argument that is an option goes to curl. */
export const curlImage: ImageRecipe = {
  repositories: ['curlimages/curl', 'curl/curl'],
  summary: "the machine's curl and shell, as uid 100",
  needsCommand: false,
  resolve({ args, machine }) {
    if (machine.curl === null) {
      throw new UserError('MACHINE_MISSING_PROGRAM', 'Cannot run the image curlimages/curl because the machine has no curl: not in PATH', {
        cure: 'Install curl.',
        command: 'apt-get install curl',
        exitCode: exitCodes.machine,
      });
    }
    const first = args?.[0];
    return {
      entry: first === undefined || first.startsWith('-') ? [machine.curl] : [],
      prepare: null,
      uid: 100,
      gid: 101,
      env: {},
      mounts: [],
      stopSignal: 'SIGTERM',
      readiness: null,
    };
  },
};
