import { localAddress } from '../../kernel/index.ts';
import { endpointText } from '../endpoint.ts';
import { serverView } from '../listener.ts';
import type { Stage } from '../stage.ts';
import type { Fields, Flow } from '../types.ts';
import type { Encounter } from './encounter.ts';
import { attempt, exchange, withServers } from './encounter.ts';

/** Connections from one source port to several destinations, all open at once. */
export function runSamePort(stage: Stage, flow: Extract<Flow, { kind: 'same-port' }>): Fields {
  const { who, at, from, to } = flow;
  return withServers(stage, to, (servers) => {
    const open: Encounter[] = [];
    try {
      const views = to.map((destination) => {
        const outcome = attempt(stage, { at, who, to: destination, from, reuse: true }, servers);
        if (outcome.kind === 'not-met') return { reached: outcome.why, original: 'none', port: 'none', clientLocal: 'none' };
        open.push(outcome.encounter);
        const own = localAddress(outcome.encounter.client);
        const { original, peer } = serverView(outcome.encounter.server, own?.port ?? 0);
        return {
          reached: exchange(outcome.encounter),
          original,
          port: peer.slice(peer.lastIndexOf(':') + 1),
          clientLocal: endpointText(own),
        };
      });
      const list = (key: 'reached' | 'original' | 'port' | 'clientLocal'): string => views.map((view) => view[key]).join(', ');
      return { reached: list('reached'), original: list('original'), port: list('port'), clientLocal: list('clientLocal') };
    } finally {
      for (const encounter of open) encounter[Symbol.dispose]();
    }
  });
}

const portRange = 'ipv4/ip_local_port_range';
const fewPorts = { range: '40000 40007', count: 8 };
const usualPorts = '32768 60999';

/** As many connections to each destination as the pod has ports for one, all open at once. */
export function runFewPorts(stage: Stage, flow: Extract<Flow, { kind: 'few-ports' }>): Fields {
  const { who, to } = flow;
  const wanted = to.flatMap((destination) => Array.from({ length: fewPorts.count }, () => destination));
  stage.network.pod.sysctl(portRange, fewPorts.range);
  try {
    return withServers(stage, to, (servers) => {
      const open: Encounter[] = [];
      try {
        const failures: string[] = [];
        for (const destination of wanted) {
          const outcome = attempt(stage, { at: 'pod', who, to: destination }, servers);
          if (outcome.kind === 'met') open.push(outcome.encounter);
          else failures.push(outcome.why);
        }
        const reached = [...new Set(open.map(exchange))].join(', ');
        const connections = `${open.length} of ${wanted.length}`;
        return { reached, connections: failures.length === 0 ? connections : `${connections}: ${[...new Set(failures)].join(', ')}` };
      } finally {
        for (const encounter of open) encounter[Symbol.dispose]();
      }
    });
  } finally {
    stage.network.pod.sysctl(portRange, usualPorts);
  }
}
