import { endpoint } from '../endpoint.ts';
import type { Stage } from '../stage.ts';
import type { Fields, TcpFlow } from '../types.ts';
import { attempt, exchange, fieldsOf, withServers } from './encounter.ts';

/** One connection: who gets it, and what both ends see of it. */
export function runTcp(stage: Stage, flow: TcpFlow): Fields {
  const { kind: _, at = 'pod', closed, ...wanted } = flow;
  return withServers(stage, closed === true ? [] : [flow.to], (servers) => {
    const outcome = attempt(stage, { ...wanted, at }, servers);
    if (outcome.kind === 'not-met') return { reached: outcome.why };
    using encounter = outcome.encounter;
    const fixed = flow.from !== undefined && endpoint(flow.from).port !== 0;
    return { reached: exchange(encounter), ...fieldsOf(encounter, flow.to, fixed) };
  });
}
