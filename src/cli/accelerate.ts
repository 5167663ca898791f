import { exitCodes, UserError } from '../base/errors.ts';
import { accelerationText, modeOf } from './acceleration-words.ts';
import { defineCommand } from './command.ts';
import { formatTable, outputOption, printValue } from './print.ts';
import { runningInstance, runningInstanceOption } from './running-instance.ts';

/** `millrace accelerate`: whether connections are accelerated, and the switch. */
export const accelerate = defineCommand({
  description:
    'Without MODE it says how things are. off takes effect at once and breaks no connection: what is accelerated goes on by TCP. on and auto run the self-test first and answer when it is over; without one that passes it stays off, and with on the exit code is 1. The mode outlives the agent, until one is started with another --accelerate.',
  arguments: { MODE: { kind: 'optional', summary: 'auto, on or off' } },
  options: { instance: runningInstanceOption, output: outputOption },
  examples: ['millrace accelerate', 'millrace accelerate off --instance lab'],
  run: async ({ arguments: { MODE: wanted }, options, stdout }) => {
    const mode = modeOf(wanted);
    if (wanted !== null && mode === null) {
      throw new UserError('USAGE', `Cannot set the mode of acceleration because there is no such mode: current value ${wanted}`, {
        cure: 'Say auto, on or off.',
        exitCode: exitCodes.usage,
      });
    }
    const { agentClient } = await import('./agent-client.ts');
    const client = agentClient(await runningInstance(options.instance));
    const status = mode === null ? await client.acceleration() : await client.accelerate(mode);
    const reasons = Object.entries(status.reasons).filter(([, count]) => count > 0);
    await printValue(stdout, options.output, status, () =>
      [
        `${accelerationText(status)}\n`,
        ...(status.checks.length === 0
          ? []
          : [
              '\n',
              formatTable(status.checks, [
                { title: 'CHECK', value: ({ name }) => name },
                { title: 'DECIDES', value: ({ kind }) => (kind === 'safety' ? 'on or off' : 'applications unasked') },
                { title: 'RESULT', value: ({ passed }) => (passed ? 'passed' : 'failed') },
                { title: 'DETAIL', value: ({ detail }) => (detail === '' ? '-' : detail) },
              ]),
            ]),
        ...(reasons.length === 0
          ? []
          : [
              '\n',
              formatTable(reasons, [
                { title: 'WHY NOT', value: ([name]) => name },
                { title: 'COUNT', value: ([, count]) => String(count), align: 'right' },
              ]),
            ]),
      ].join(''),
    );
    return mode === 'on' && !status.active ? exitCodes.failed : exitCodes.done;
  },
});
