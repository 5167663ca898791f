import { shutdownWrite } from '../../kernel/socket-io.ts';
import { resetOnClose } from '../../kernel/sockets.ts';
import { originalText, readText, sendText } from '../listener.ts';
import type { Stage } from '../stage.ts';
import type { Fields, Flow } from '../types.ts';
import { attempt, exchange, withServers } from './encounter.ts';

/** One side ends what it sends; what the other sends afterwards must arrive, and so must its end. */
export function runHalfClose(stage: Stage, flow: Extract<Flow, { kind: 'half-close' }>): Fields {
  const { who, at, to, first } = flow;
  return withServers(stage, [to], (servers) => {
    const outcome = attempt(stage, { at, who, to }, servers);
    if (outcome.kind === 'not-met') return { reached: outcome.why };
    using encounter = outcome.encounter;
    const reached = exchange(encounter);
    const [closer, other] = first === 'client' ? [encounter.client, encounter.server] : [encounter.server, encounter.client];
    shutdownWrite(closer);
    const end = readText(other);
    const sent = sendText(other, 'afterwards');
    const afterwards = readText(closer);
    shutdownWrite(other);
    return {
      reached,
      'other side sees': end,
      'data afterwards': sent === 'sent' ? afterwards : sent,
      'then the closer sees': readText(closer),
    };
  });
}

/** A connection that ends with a reset, and another from the same source port. */
export function runResetReuse(stage: Stage, flow: Extract<Flow, { kind: 'reset-reuse' }>): Fields {
  const { who, at, from, to } = flow;
  const [before, after] = to;
  return withServers(stage, to, (servers) => {
    const one = attempt(stage, { at, who, to: before, from, reuse: true }, servers);
    if (one.kind === 'not-met') return { reached: one.why };
    {
      using encounter = one.encounter;
      exchange(encounter);
      resetOnClose(encounter.client);
    }
    const two = attempt(stage, { at, who, to: after, from, reuse: true }, servers);
    if (two.kind === 'not-met') return { reached: two.why };
    using encounter = two.encounter;
    return { reached: exchange(encounter), original: originalText(encounter.server) };
  });
}
