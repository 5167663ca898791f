import { setTimeout as delay } from 'node:timers/promises';
import { instancePaths } from '../api/paths.ts';
import type { LabContainer, LabPod, LabStatus } from './api.ts';
import type { LabClient } from './client.ts';
import { lastLines } from './pods/log-file.ts';

export type WaitResult =
  | { readonly kind: 'settled'; readonly status: LabStatus }
  /** `reason` completes "because". */
  | { readonly kind: 'not ready'; readonly reason: string; readonly status: LabStatus }
  | { readonly kind: 'interrupted' };

const pollMs = 50;
const shownLines = 10;
/** An agent that ended this often will not stay. */
const hopelessRestarts = 3;

/**
 * Asks for the lab's status until every pod is ready, one of them can never be, or the time is over.
 * @throws what the client throws, LAB_NOT_RUNNING when the lab ends meanwhile
 */
export async function untilSettled(
  client: LabClient,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly onStatus: (status: LabStatus) => void },
): Promise<WaitResult> {
  const deadline = performance.now() + options.timeoutMs;
  while (!options.signal.aborted) {
    // Not with the signal: an interrupted wait is a result, not an error.
    const status = await client.status();
    options.onStatus(status);
    if (status.state === 'settled') return { kind: 'settled', status };
    const failed = status.pods.find((pod) => pod.phase === 'Failed' && !pod.terminating);
    if (failed !== undefined) return { kind: 'not ready', reason: podReason(failed), status };
    if (status.agent.state === 'restarting' && status.agent.restarts >= hopelessRestarts)
      return { kind: 'not ready', reason: agentReason(status), status };
    if (performance.now() > deadline) return { kind: 'not ready', reason: timeoutReason(status, options.timeoutMs), status };
    await delay(pollMs, undefined, { signal: options.signal }).catch(() => undefined);
  }
  return { kind: 'interrupted' };
}

function timeoutReason(status: LabStatus, timeoutMs: number): string {
  const waiting = status.pods.find((pod) => pod.phase === 'CrashLoopBackOff') ?? status.pods.find((pod) => !pod.ready);
  const time = `${timeoutMs / 1000} s are over`;
  if (status.agent.state !== 'running') return `${time} and ${agentReason(status)}`;
  if (waiting !== undefined) return `${time} and ${podReason(waiting)}`;
  return `${time} and ${status.problems[0] ?? `the lab is ${status.state}`}`;
}

function agentReason({ instance, agent }: LabStatus): string {
  const last = agent.lastError === null ? '' : `, last by ${agent.lastError}`;
  return `the agent is ${agent.state} (ended ${agent.restarts} times${last}); ${logEnd(instancePaths(instance).agentLog)}`;
}

/** The last lines of a log, indented, as the end of a sentence. */
function logEnd(path: string): string {
  const lines = lastLines(path, shownLines);
  return lines.length === 0 ? 'its log is empty' : `the end of its log:\n${lines.map((line) => `    ${line}`).join('\n')}`;
}

/** What keeps a pod from being ready, with the end of the log of the container that is to blame. */
function podReason(pod: LabPod): string {
  const name = `${pod.namespace}/${pod.name}`;
  if (pod.problem !== null) return `pod ${name} cannot start: ${pod.problem}`;
  const culprit = [...pod.containers].filter((container) => !container.ready).sort((a, b) => severity(b) - severity(a))[0];
  if (culprit === undefined) return `pod ${name} is ${pod.phase}`;
  const exit = culprit.lastExit === null ? '' : `, last exit code ${culprit.lastExit.exitCode}`;
  return `container ${culprit.name} of pod ${name} is not ready (${pod.phase}, ${culprit.restarts} restarts${exit}); ${logEnd(culprit.log)}`;
}

/** Containers that failed explain more than those that wait for them. */
function severity(container: LabContainer): number {
  if (container.lastExit !== null) return 2;
  return container.state.kind === 'running' ? 1 : 0;
}
