import type { AgentStatus, MapStatus } from '../api/types.ts';

/** From this share of a table on it is worth a word. */
const nearlyFull = 0.9;

/** What a counter that should stay 0 means for connections. */
const errorCounters: Readonly<Record<string, string>> = {
  error_storage: 'no memory to keep the state of a socket: the call was refused',
  error_handover: 'no room for the original destination of a connection: the proxy refused it',
  error_listener: 'a listener of the proxy could not be kept: connections to it are refused until the agent adopts it',
  error_source_bind: "the pod's address could not be given to a connection: it was refused",
  error_assign: 'an inbound connection could not be given to the proxy: it was refused',
  error_dns_port: 'no free port towards the resolver: the query was dropped',
  error_accelerate_full: 'no room for a socket that could have been accelerated: its connection goes by TCP',
  error_forward: 'no address or port for a forwarded connection: it was dropped',
};

/** What somebody who looks at an agent must know first, in sentences; empty when all is well. Pure. */
export function concernsOf(status: AgentStatus): readonly string[] {
  return [
    ...status.pods.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
    ...status.programs
      .filter(({ attached }) => attached === 'missing' || attached === 'detached')
      .map(({ name, attached }) => `${name} is ${attached}: the agent puts it back within seconds, or its log says why it cannot`),
    ...status.maps.filter(isNearlyFull).map(({ name, entries, maxEntries }) => `${name} has ${entries} of ${maxEntries} rows in use`),
    ...Object.entries(errorCounters)
      .filter(([name]) => (status.counters[name] ?? 0) > 0)
      .map(([name, meaning]) => `${name} ${status.counters[name]}: ${meaning}`),
    ...(status.unsaved === null
      ? []
      : [`the list of pods or policies is not on disk, an agent that starts now would not know it: ${status.unsaved}`]),
    ...policyConcerns(status),
    ...(isRefused(status.acceleration) ? [`acceleration was asked for and is off: ${status.acceleration.reason}`] : []),
    ...(status.flows.lost > 0 ? [`${status.flows.lost} flow events lost because the ring was full: millrace observe has gaps`] : []),
    ...(status.lostEvents > 0 ? [`${status.lostEvents} events lost: its log is not complete`] : []),
  ];
}

function policyConcerns({ instance, policies: { invalid, problem } }: AgentStatus): readonly string[] {
  return [
    ...(problem === null ? [] : [`policies do not hold as they were asked for, those before do: ${problem}`]),
    ...(invalid === 0
      ? []
      : [
          `${invalid === 1 ? '1 policy is' : `${invalid} policies are`} invalid and not enforced: millrace policy list --instance ${instance}`,
        ]),
  ];
}

/** `auto` may come to off; `on` may not. */
function isRefused({ mode, active, testing }: AgentStatus['acceleration']): boolean {
  return mode === 'on' && !active && !testing;
}

/** Arrays are full by nature, and those that forget the oldest row are meant to fill up. */
function isNearlyFull({ type, entries, maxEntries }: MapStatus): boolean {
  return (type === 'HASH' || type === 'LPM_TRIE' || type === 'SOCKHASH') && entries !== null && entries >= nearlyFull * maxEntries;
}
