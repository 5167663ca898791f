import type { LabOptions } from '../api.ts';
import type { LabPaths } from '../paths.ts';
import { logPath } from '../paths.ts';
import { proxyContainerName } from '../plan/container-state.ts';
import type { PodIdentity } from '../pods/pod.ts';
import type { NodeAgentPort } from './node-agent.ts';

/**
 * Puts a new pod's traffic under the mesh, before any of its processes runs. Every pod is enrolled with the agent, a pod without a sidecar
 * too: virtual addresses of services are translated for it.
 * @throws UserError ANNOTATION_INVALID, AGENT_REFUSED, IPTABLES_FAILED, MACHINE_MISSING_PROGRAM
 */
export async function redirectPod(request: {
  readonly pod: PodIdentity;
  readonly netns: string;
  readonly agent: NodeAgentPort;
  readonly options: Pick<LabOptions, 'redirect' | 'inbound'>;
  readonly paths: LabPaths;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { pod, netns, agent, options, paths, signal } = request;
  const name = `${pod.namespace}/${pod.name}`;
  await agent.enrol(
    {
      name,
      netns,
      labels: pod.labels,
      annotations: pod.annotations,
      serviceAccount: pod.spec.serviceAccountName,
      namedPorts: pod.spec.containers.flatMap(({ ports }) =>
        ports.flatMap(({ name: port, protocol, containerPort }) => (port === null ? [] : { name: port, protocol, port: containerPort })),
      ),
      workload: { kind: pod.ownerKind, name: pod.owner },
      uidMap: null,
      meshed: pod.injected,
      ...(pod.injected ? { accessLog: logPath(paths, pod.namespace, pod.name, proxyContainerName) } : {}),
      backend: options.redirect === 'iptables' ? 'iptables' : options.inbound,
    },
    signal,
  );
}
