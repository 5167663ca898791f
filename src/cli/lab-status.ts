import { instancePaths } from '../api/paths.ts';
import { exitCodes } from '../base/errors.ts';
import type { LabContainer, LabPod, LabPolicy, LabStatus } from '../lab/api.ts';
import { defineCommand } from './command.ts';
import { checkInstance } from './instance.ts';
import { labInstance, suffix } from './lab-options.ts';
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
  const paths = instancePaths(status.instance);
  const redirect = status.inbound === null ? status.redirect : `${status.redirect}, inbound by ${status.inbound}`;
  const restarts =
    agent.restarts === 0
      ? ''
      : `, started again ${times(agent.restarts)}; the last one ended with ${agent.lastError ?? 'an unknown reason'}`;
  const lines = [
    `lab ${status.instance} (process ${status.pid}) is ${stateText(status)}`,
    `redirection: ${redirect}; acceleration: ${status.acceleration.state} (${status.acceleration.mode}: ${status.acceleration.reason})`,
    `agent: ${agent.state}${agent.pid === null ? '' : ` (process ${agent.pid})`}${restarts}; name server: ${status.dnsAddress}`,
    `logs: ${paths.labLog}, ${paths.agentLog}; more: millrace status --instance ${status.instance}`,
    ...(agent.state === 'restarting' ? ['what is redirected stays so while the agent starts; changes wait for it'] : []),
    ...status.problems.map((problem) => `problem: ${problem}`),
    ...(status.policies.length === 0 ? [] : [policyText(status)]),
    ...status.policies.flatMap(invalidText),
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
  const problems = status.pods.flatMap((pod) => [
    ...(pod.problem === null ? [] : [`${pod.namespace}/${pod.name}: ${pod.problem}\n`]),
    ...pod.containers.filter(({ lastExit }) => lastExit !== null).map((container) => exitText(status.instance, pod, container)),
  ]);
  const services = formatTable(status.services, [
    { title: 'NAMESPACE', value: (service) => service.namespace },
    { title: 'SERVICE', value: (service) => service.name },
    { title: 'CLUSTER-IP', value: (service) => (service.clusterIP === '' ? 'None' : service.clusterIP) },
    { title: 'PORTS', value: (service) => service.ports.map((port) => `${port.port}→${port.targetPort}/${port.protocol}`).join(',') },
  ]);
  return `${lines.join('\n')}\n\n${pods}${problems.length === 0 ? '' : `\n${problems.join('')}`}\n${services}`;
}

function policyText({ instance, policies }: LabStatus): string {
  const enforced = policies.filter(({ valid }) => valid).length;
  return `policies: ${enforced} of ${policies.length} enforced; more: millrace policy list --instance ${instance}`;
}

function invalidText({ kind, namespace, name, valid, reasons }: LabPolicy): readonly string[] {
  return valid ? [] : [`invalid, not enforced: ${kind} ${namespace === '' ? '' : `${namespace}/`}${name}: ${reasons.join('; ')}`];
}

function stateText({ state, agent }: LabStatus): string {
  return state === 'settled' && agent.state === 'restarting' ? 'settled, but its agent is not running' : state;
}

/** A container that ended once or more: how, whether it came back, and where it said why. */
function exitText(instance: string, pod: LabPod, { name, lastExit, restarts, ready, state }: LabContainer): string {
  const how = lastExit === null ? 'an unknown reason' : (lastExit.signal ?? `exit code ${lastExit.exitCode}`);
  const now = ready ? 'ready again' : state.kind === 'waiting' ? state.reason : state.kind;
  const log = `millrace lab logs${suffix(instance)} ${pod.namespace}/${pod.name} -c ${name}`;
  return `${pod.namespace}/${pod.name}: ${name} ended with ${how}, started again ${times(restarts)}, now ${now}; see ${log}\n`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
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
