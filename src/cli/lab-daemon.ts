import { exitCodes, UserError } from '../base/errors.ts';
import type { LabOptions } from '../lab/api.ts';
import { defineCommand } from './command.ts';

/** `millrace lab daemon`: what `lab up` starts in the background. */
export const labDaemon = defineCommand({
  description: 'Not for people: `lab up` starts it and gives it its options as JSON.',
  arguments: { options: { kind: 'required', summary: 'LabOptions as JSON' } },
  options: {},
  run: async ({ arguments: { options }, signal }) => {
    const [{ runDaemon }, { createLogger }, { reportToStarter, failureReport }] = await Promise.all([
      import('../lab/daemon.ts'),
      import('../base/log.ts'),
      import('../lab/start.ts'),
    ]);
    const log = createLogger({ name: 'lab' });
    let listening = false;
    try {
      await runDaemon({
        // Written by startDaemon of this very build.
        options: JSON.parse(options) as LabOptions,
        log,
        signal,
        onListening: () => {
          listening = true;
          void reportToStarter({ kind: 'listening' });
        },
      });
    } catch (error) {
      // a second start, whose words go to who tried it, must not look in the log of the running lab as if that had failed
      const isSecond = error instanceof UserError && error.code === 'LAB_RUNNING';
      if (isSecond) log.info({ code: error.code }, 'a second start of this lab was refused');
      else log.error({ err: error }, 'the lab failed');
      if (!listening) await reportToStarter(failureReport(error));
      return exitCodes.failed;
    }
    return exitCodes.done;
  },
});
