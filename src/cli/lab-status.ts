import { exitCodes } from '../base/errors.ts';
import type { LabPod, LabStatus } from '../lab/api.ts';
import { defineCommand } from './command.ts';
import { checkInstance } from './instance.ts';
import { labInstance } from './lab-options.ts';
import { formatTable, outputOption, printValue } from './print.ts';

/** `millrace lab status`: pods, services and the state of the lab. */
export const labStatus = defineCommand({
  arguments: {},
  options: { output: outputOption, instance: labInstance },
  run: async ({ options, signal, stdout }) => {
    const { LabClient } = await import('../lab/client.ts');
    const status = await new LabClient(checkInstance(options.instance)).status({ signal });
    await printValue(stdout, options.output ?? 'table', status, () => statusText(status));
    return exitCodes.done;
  },
});

function statusText(status: LabStatus): string {
  const { agent } = status;
  const redirect = status.inbound === null ? status.redirect : `${status.redirect}, inbound by ${status.inbound}`;
  const restarts = agent.restarts === 0 ? '' : `, started again ${agent.restarts} times (${agent.lastError ?? 'reason unknown'})`;
  const lines = [
    `lab ${status.instance} (process ${status.pid}) is ${status.state}`,
    `redirection: ${redirect}; acceleration: ${status.acceleration.state} (${status.acceleration.reason})`,
    `agent: ${agent.state}${agent.pid === null ? '' : ` (process ${agent.pid})`}${restarts}; name server: ${status.dnsAddress}`,
    ...status.problems.map((problem) => `problem: ${problem}`),
    ...status.unenforced.map(({ kind, namespace, name }) => `not enforced by this version: ${kind} ${namespace}/${name}`),
  ];
  const pods = formatTable(status.pods, [
    { title: 'NAMESPACE', value: (pod) => pod.namespace },
    { title: 'POD', value: (pod) => pod.name },
    { title: 'READY', value: readyCount },
    { title: 'STATUS', value: (pod) => pod.phase },
    { title: 'RESTARTS', value: (pod) => String(pod.containers.reduce((sum, container) => sum + container.restarts, 0)), align: 'right' },
    { title: 'AGE', value: (pod) => age(pod.ageSeconds) },
    { title: 'ADDRESSES', value: (pod) => pod.addresses.join(',') },
    { title: 'SIDECAR', value: (pod) => (pod.injected ? 'yes' : 'no') },
  ]);
  const problems = status.pods.filter((pod) => pod.problem !== null).map((pod) => `${pod.namespace}/${pod.name}: ${pod.problem ?? ''}\n`);
  const services = formatTable(status.services, [
    { title: 'NAMESPACE', value: (service) => service.namespace },
    { title: 'SERVICE', value: (service) => service.name },
    { title: 'CLUSTER-IP', value: (service) => (service.clusterIP === '' ? 'None' : service.clusterIP) },
    { title: 'PORTS', value: (service) => service.ports.map((port) => `${port.port}→${port.targetPort}/${port.protocol}`).join(',') },
  ]);
  return `${lines.join('\n')}\n\n${pods}${problems.join('')}\n${services}`;
}

function readyCount(pod: LabPod): string {
  return `${pod.containers.filter((container) => container.ready).length}/${pod.containers.length}`;
}

/** `12s`, `3m`, `2h`, `4d`. */
function age(seconds: number): string {
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}
