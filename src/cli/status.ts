import type { AgentStatus } from '../api/types.ts';
import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { checkInstance, instanceOption } from './instance.ts';
import { formatTable, outputOption, printValue } from './print.ts';

/** `millrace status`: what an agent has in the kernel. */
export const status = defineCommand({
  arguments: {},
  options: { instance: instanceOption('default'), output: outputOption },
  run: async ({ options, stdout }) => {
    const { agentClient } = await import('./agent-client.ts');
    const answer = await agentClient(checkInstance(options.instance)).status();
    await printValue(stdout, options.output, answer, () => describe(answer));
    return exitCodes.done;
  },
});

function describe(status: AgentStatus): string {
  const counters = Object.entries(status.counters).filter(([, count]) => count > 0);
  return [
    `agent ${status.instance} ${status.version}, pid ${status.pid}, ${Math.round(status.rssBytes / 1024 / 1024)} MiB, since ${status.startedAt}\n`,
    `redirecting after ${status.readyAfterMs} ms, ${status.adopted ? 'took over the pins of an earlier agent' : 'fresh start'}\n`,
    `redirectMode auto is ${status.redirectMode.backend}: ${status.redirectMode.reason}\n`,
    `cgroup ${status.cgroup}\npins ${status.pins} (layout ${status.abiVersion})\n`,
    `drift repaired ${status.drift.repaired}${status.drift.last === null ? '' : `, last: ${status.drift.last}`}; events lost ${status.lostEvents}\n\n`,
    formatTable(status.pods, [
      { title: 'POD', value: (pod) => pod.name },
      { title: 'BACKEND', value: (pod) => (pod.meshed ? pod.backend : 'none') },
      { title: 'ADDRESSES', value: (pod) => pod.addresses.join(',') },
      {
        title: 'LISTENERS',
        value: (pod) => pod.listeners.map(({ role, present }) => `${role}:${present ? 'yes' : 'NO'}`).join(' ') || '-',
      },
      { title: 'PROBLEMS', value: (pod) => pod.problems.join('; ') || '-' },
    ]),
    '\n',
    formatTable(status.programs, [
      { title: 'PROGRAM', value: (program) => program.name },
      { title: 'ID', value: (program) => String(program.id), align: 'right' },
      { title: 'ATTACHED', value: (program) => program.attached },
      { title: 'INSTRUCTIONS', value: (program) => String(program.instructions), align: 'right' },
      { title: 'RUNS', value: (program) => program.runs.toString(), align: 'right' },
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
