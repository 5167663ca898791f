import { expect, test } from 'vitest';
import type { ContainerCondition, ContainerState } from './container-state.ts';
import { podPhase } from './container-state.ts';

function container(name: string, state: ContainerState, ready = false): ContainerCondition {
  return { name, state, ready, restarts: 0, lastExit: null };
}

const running: ContainerState = { kind: 'running', pid: 1, since: 0 };
const waiting = (reason: 'PodStarting' | 'ProxyStarting' | 'CrashLoopBackOff'): ContainerState => ({ kind: 'waiting', reason });
const ended = (exitCode: number): ContainerState => ({ kind: 'ended', exitCode, signal: null });

test.each([
  ['Pending', [container('a', waiting('PodStarting'))]],
  ['Starting', [container('istio-proxy', running), container('a', waiting('ProxyStarting'))]],
  ['Running', [container('istio-proxy', running, true), container('a', running)]],
  ['Ready', [container('istio-proxy', running, true), container('a', running, true)]],
  ['CrashLoopBackOff', [container('istio-proxy', running, true), container('a', waiting('CrashLoopBackOff'))]],
  ['Succeeded', [container('istio-proxy', running, true), container('a', ended(0))]],
  ['Failed', [container('istio-proxy', running, true), container('a', ended(1))]],
  ['Running', [container('a', ended(0)), container('b', running, true)]],
  ['Failed', [container('a', { kind: 'refused', reason: 'no program' }), container('b', running, true)]],
] as const)('podPhase() is %s for %j', (phase, containers) => {
  expect(podPhase(containers, false)).toBe(phase);
  expect(podPhase(containers, true)).toBe('Terminating');
});
