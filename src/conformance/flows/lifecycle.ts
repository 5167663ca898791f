import { closeFd } from '../../kernel/index.ts';
import { dial } from '../dial.ts';
import { endpoint, endpointText } from '../endpoint.ts';
import { proxy } from '../identity.ts';
import type { Listener } from '../listener.ts';
import { acceptAny, originalText, readText, sendText } from '../listener.ts';
import type { Stage } from '../stage.ts';
import { openServers, socketAt } from '../stage.ts';
import type { Fields, Flow } from '../types.ts';
import { attempt, exchange } from './encounter.ts';
import { runTcp } from './tcp.ts';

/** A connection that was there before the redirection goes on as it was; the next one is redirected. */
export async function runEstablishedBefore(stage: Stage, flow: Extract<Flow, { kind: 'established-before' }>): Promise<Fields> {
  const { who, to, under } = flow;
  await stage.redirection.remove();
  if (under !== null) await stage.redirection.install(under);
  const servers = openServers(stage, to);
  try {
    const outcome = attempt(stage, { at: 'pod', who, to }, servers);
    if (outcome.kind === 'not-met') return { before: outcome.why };
    using encounter = outcome.encounter;
    const before = exchange(encounter);
    await stage.redirection.install();
    sendText(encounter.client, 'still here');
    const heard = readText(encounter.server);
    return { before, afterwards: heard, 'next connection': next(stage, flow, servers) };
  } finally {
    for (const { fd } of servers) closeFd(fd);
    stage.proxy.drain();
    // Also where the flow ended early.
    await stage.redirection.install();
    restart(stage);
  }
}

function next(stage: Stage, { who, to }: Extract<Flow, { kind: 'established-before' }>, servers: readonly Listener[]): string {
  restart(stage);
  const outcome = attempt(stage, { at: 'pod', who, to }, servers);
  if (outcome.kind === 'not-met') return outcome.why;
  using encounter = outcome.encounter;
  return exchange(encounter);
}

/** Programs see listeners when they begin to listen, or when an agent looks for those that did before; this command has no agent. */
function restart({ proxy: standIn }: Stage): void {
  standIn.stop();
  standIn.start();
}

/** Nothing of the time without a proxy is remembered. */
export function runLateProxy(stage: Stage, flow: Extract<Flow, { kind: 'late-proxy' }>): Fields {
  const { who, to } = flow;
  stage.proxy.stop();
  const down = runTcp(stage, { kind: 'tcp', who, to }).reached ?? '';
  stage.proxy.start();
  return { 'proxy down': down, 'proxy up': runTcp(stage, { kind: 'tcp', who, to }).reached ?? '' };
}

/** What istio-validation does: as the proxy it listens on both ports of loopback, dials, and reads the original destination of what comes. */
export function runValidation(stage: Stage, flow: Extract<Flow, { kind: 'validation' }>): Fields {
  const host = flow.from.slice(0, flow.from.lastIndexOf(':'));
  const listeners: Listener[] = [];
  try {
    for (const port of [15001, 15006]) {
      const bind = endpoint(`${host}:${port}`);
      const family = bind.address.length === 4 ? 4 : 6;
      listeners.push({
        name: endpointText(bind),
        fd: socketAt(stage, 'pod', proxy, { family, type: 'tcp', bind, listen: 8, reuse: true }),
      });
    }
    const dialled = dial(stage, { at: 'pod', who: proxy, from: flow.from, to: flow.to });
    if (dialled.kind !== 'connected') return { reached: dialled.kind === 'failed' ? dialled.errno : 'nobody' };
    const accepted = acceptAny(listeners);
    try {
      return accepted === null ? { reached: 'accepted by nobody' } : { reached: accepted.name, original: originalText(accepted.fd) };
    } finally {
      closeFd(dialled.fd);
      if (accepted !== null) closeFd(accepted.fd);
    }
  } finally {
    for (const { fd } of listeners) closeFd(fd);
  }
}
