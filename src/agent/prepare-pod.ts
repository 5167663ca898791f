import { stat } from 'node:fs/promises';
import { UserError } from '../base/errors.ts';
import type { NetnsHandle } from '../kernel/index.ts';
import { redirectConfigFromAnnotations } from '../pods/annotations.ts';
import type { Backend, PodRequest, RedirectConfig } from '../pods/types.ts';
import { viewNetns } from '../redirect/ebpf/netns-view.ts';
import { ensureSpreadRoute, spread6Prefix } from '../redirect/ebpf/spread-route.ts';
import type { EnrolledPod } from './enrolled-pod.ts';
import type { Machine } from './machine.ts';

/**
 * Everything that enrolling a pod needs to know, out of the request, the namespace and the machine. What the machine cannot do is left out and
 * named in `problems`. Throws UserError ANNOTATION_INVALID, NETNS_INVALID for the agent's own namespace and the machine's.
 */
export async function preparePod(request: PodRequest, netns: NetnsHandle, machine: Machine): Promise<EnrolledPod> {
  await refuseOwnNamespace(request, netns);
  const problems: string[] = [];
  const asked = redirectConfigFromAnnotations(request.name, request.annotations);
  const backend = request.backend === 'auto' ? automatic(asked, machine) : request.backend;
  const byPrograms = request.meshed && backend !== 'iptables';
  const config = byPrograms ? withoutImpossible(asked, machine, problems) : asked;
  const view = viewNetns(netns);
  let spread6 = byPrograms && config.ipv6 && view.addresses.some(({ family }) => family === 6);
  if (spread6) {
    const problem = await ensureSpreadRoute(request.netns);
    if (problem !== null) problems.push(`IPv6 connections share one set of ports, because ${spread6Prefix} has no route: ${problem}`);
    spread6 = problem === null;
  }
  return { request, backend, config, netns, view, spread6, problems };
}

/** Programs cannot let the application see its client's address (conformance row TPR-10), which is what TPROXY is asked for. */
function automatic(config: RedirectConfig, machine: Machine): Backend {
  return config.interceptionMode === 'TPROXY' ? 'iptables' : machine.choice.backend;
}

function withoutImpossible(config: RedirectConfig, machine: Machine, problems: string[]): RedirectConfig {
  if (config.interceptionMode === 'TPROXY')
    problems.push("TPROXY: the application cannot see its client's address; enrol the pod with iptables");
  if (config.dns.kind === 'off' || machine.tcx) return config;
  problems.push('DNS is not captured: it needs tcx (Linux 6.6)');
  return { ...config, dns: { kind: 'off' } };
}

async function refuseOwnNamespace(request: PodRequest, netns: NetnsHandle): Promise<void> {
  const own = (await stat('/proc/self/ns/net', { bigint: true })).ino;
  // an agent that was given a namespace of its own must still leave that of the machine alone
  const machine = (await stat('/proc/1/ns/net', { bigint: true }).catch(() => null))?.ino;
  if (netns.inode !== own && netns.inode !== machine) return;
  const whose = netns.inode === own ? "the agent's own" : "the machine's";
  throw new UserError('NETNS_INVALID', `Cannot enrol ${request.name} because its network namespace is ${whose}: ${request.netns}`, {
    cure: 'Name the namespace of the pod; a pod on the network of its host cannot be redirected.',
  });
}
