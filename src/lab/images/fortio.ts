import { exitCodes, UserError } from '../../base/errors.ts';
import type { ImageRecipe } from './image.ts';
import { programsPath, tcpReadiness } from './image.ts';

/** fortio of the machine; without arguments its server, as in the image. */
export const fortioImage: ImageRecipe = {
  repositories: ['fortio/fortio', 'istio/fortio'],
  summary: "the machine's fortio (in PATH or ~/go/bin; installed with Go where there is Go), as uid 1000; server on 8080 and 8079",
  needsCommand: false,
  resolve({ args, machine }) {
    if (machine.fortio === null) {
      throw new UserError(
        'MACHINE_MISSING_PROGRAM',
        'Cannot run the image fortio/fortio because the machine has neither fortio nor Go to install it with: not in PATH, not in ~/go/bin',
        {
          cure: 'Install it, or install Go and apply again.',
          command: 'go install fortio.org/fortio@latest',
          exitCode: exitCodes.machine,
        },
      );
    }
    const serves = args === null || args.length === 0 || args[0] === 'server';
    return {
      entry: args === null || args.length === 0 ? [`${programsPath}/fortio`, 'server'] : [`${programsPath}/fortio`],
      prepare: null,
      uid: 1000,
      gid: 1000,
      env: {},
      mounts: [{ name: 'fortio', path: machine.fortio }],
      stopSignal: 'SIGTERM',
      readiness: serves ? tcpReadiness(8080) : null,
    };
  },
};
