import type { AgentStatus } from '../api/types.ts';
import { exitCodes } from '../base/errors.ts';
import { accelerationText } from './acceleration-words.ts';
import { defineCommand } from './command.ts';
import { formatTable, outputOption, printValue } from './print.ts';
import { runningInstance, runningInstanceOption } from './running-instance.ts';
import { concernsOf } from './status-concerns.ts';

/** `millrace status`: what an agent has in the kernel. */
export const status = defineCommand({
  description:
    'What needs attention comes first. RUNS and NS/RUN are counted only while statistics are on (millrace agent --stats). What each line means, and what to do: docs/operations.md.',
  arguments: {},
  options: { instance: runningInstanceOption, output: outputOption },
  run: async ({ options, stdout }) => {
    const { agentClient } = await import('./agent-client.ts');
    const answer = await agentClient(await runningInstance(options.instance)).status();
    await printValue(stdout, options.output, answer, () => describe(answer));
    return exitCodes.done;
  },
});

function describe(status: AgentStatus): string {
  const concerns = concernsOf(status);
  const counts = status.programs.some(({ runs }) => runs > 0);
  const counters = Object.entries(status.counters).filter(([, count]) => count > 0);
  return [
    `agent ${status.instance} ${status.version}, pid ${status.pid}, ${Math.round(status.rssBytes / 1024 / 1024)} MiB, since ${status.startedAt}\n`,
    `redirecting ${status.readyAfterMs} ms after its start, ${status.adopted ? 'took over the pins of an earlier agent' : 'nothing was pinned before it'}\n`,
    `redirectMode auto is ${status.redirectMode.backend}: ${status.redirectMode.reason}\n`,
    `${accelerationText(status.acceleration)}\n`,
    policyText(status.policies),
    `cgroup ${status.cgroup}\npins ${status.pins} (layout ${status.abiVersion})\n`,
    `drift repaired ${status.drift.repaired}${status.drift.last === null ? '' : `, last: ${status.drift.last}`}; events lost ${status.lostEvents}\n`,
    flowsText(status.flows),
    concerns.length === 0 ? 'nothing needs attention\n\n' : `needs attention:\n${concerns.map((line) => `  ${line}\n`).join('')}\n`,
    formatTable(status.pods, [
      { title: 'POD', value: (pod) => pod.name },
      { title: 'BACKEND', value: (pod) => (pod.meshed ? pod.backend : 'none') },
      { title: 'ADDRESSES', value: (pod) => pod.addresses.join(',') },
      {
        title: 'LISTENERS',
        value: (pod) => pod.listeners.map(({ role, present }) => `${role}:${present ? 'yes' : 'NO'}`).join(' ') || '-',
      },
      { title: 'PROBLEMS', value: (pod) => (pod.problems.length === 0 ? '-' : 'see above') },
    ]),
    '\n',
    formatTable(status.programs, [
      { title: 'PROGRAM', value: (program) => program.name },
      { title: 'ID', value: (program) => String(program.id), align: 'right' },
      { title: 'ATTACHED', value: (program) => program.attached },
      { title: 'INSTRUCTIONS', value: (program) => String(program.instructions), align: 'right' },
      { title: 'RUNS', value: (program) => (counts ? program.runs.toString() : '-'), align: 'right' },
      {
        title: 'NS/RUN',
        value: (program) => (program.runs === 0 ? '-' : Math.round(program.nanoseconds / program.runs).toString()),
        align: 'right',
      },
    ]),
    '\n',
    formatTable(status.maps, [
      { title: 'MAP', value: (map) => map.name },
      { title: 'TYPE', value: (map) => map.type },
      { title: 'ENTRIES', value: (map) => map.entries?.toString() ?? '-', align: 'right' },
      { title: 'MAXIMUM', value: (map) => String(map.maxEntries), align: 'right' },
    ]),
    ...(counters.length === 0
      ? []
      : [
          '\n',
          formatTable(counters, [
            { title: 'COUNTER', value: ([name]) => name },
            { title: 'COUNT', value: ([, count]) => String(count), align: 'right' },
          ]),
        ]),
  ].join('');
}

function policyText({ count, identities, rows, lastApplyMs }: AgentStatus['policies']): string {
  const change = lastApplyMs === null ? 'no change yet' : `the last change took ${lastApplyMs.toFixed(1)} ms`;
  return `policies ${count}, for ${identities} identities in ${rows} rows; ${change}\n`;
}

function flowsText({ socket, address, metrics, emitted, delivered, lost, suppressed }: AgentStatus['flows']): string {
  const places = [`unix://${socket}`, ...(address === null ? [] : [address]), ...(metrics === null ? [] : [`metrics on ${metrics}`])];
  return `flows on ${places.join(', ')}; events emitted ${emitted}, delivered ${delivered}, lost ${lost}, kept back ${suppressed}\n`;
}
