import type { FieldPath } from './issues.ts';
import { isRecord } from './yaml-tree.ts';

/** A field that is legal, would change what the workload does on a cluster, and does nothing in the lab. */
export interface IgnoredField {
  readonly path: FieldPath;
  /** Completes "FIELD …". */
  readonly effect: string;
}

type Table = Readonly<Record<string, { readonly effect: string; readonly unless?: unknown }>>;

const podFields: Table = {
  initContainers: { effect: 'is ignored: init containers are not run' },
  ephemeralContainers: { effect: 'is ignored' },
  volumes: { effect: 'is ignored: containers see the files of this machine' },
  hostNetwork: { effect: 'is ignored: the pod gets a network namespace of its own', unless: false },
  hostPID: { effect: 'is ignored', unless: false },
  hostIPC: { effect: 'is ignored', unless: false },
  hostUsers: { effect: 'is ignored: the pod has no user namespace of its own', unless: true },
  shareProcessNamespace: { effect: 'is ignored', unless: false },
  activeDeadlineSeconds: { effect: 'is ignored: the pod is not ended after this time' },
  hostAliases: { effect: 'is ignored: the names do not resolve' },
  dnsConfig: { effect: 'is ignored: the pod uses the DNS of the lab' },
  dnsPolicy: { effect: 'is ignored: the pod uses the DNS of the lab', unless: 'ClusterFirst' },
  subdomain: { effect: 'is ignored: the pod gets no DNS name of its own' },
  schedulingGates: { effect: 'is ignored: the pod starts at once' },
  readinessGates: { effect: 'is ignored: the pod is ready when its containers are' },
};

const podSecurityFields: Table = {
  sysctls: { effect: 'is ignored: the sysctls are not set' },
  supplementalGroups: { effect: 'is ignored' },
  fsGroup: { effect: 'is ignored' },
};

const containerFields: Table = {
  envFrom: { effect: 'is ignored: these variables are not set' },
  lifecycle: { effect: 'is ignored: the hooks are not run' },
  startupProbe: { effect: 'is ignored: the other probes begin at once' },
  restartPolicy: { effect: "is ignored: the pod's restartPolicy applies" },
};

const containerSecurityFields: Table = {
  capabilities: { effect: 'is ignored' },
  privileged: { effect: 'is ignored: the container is not privileged', unless: false },
  readOnlyRootFilesystem: { effect: 'is ignored', unless: false },
};

const serviceFields: Table = {
  externalIPs: { effect: 'is ignored: the Service has its cluster IP only' },
  sessionAffinity: {
    effect: 'holds for connections that bypass the proxies; theirs are spread over all endpoints, as with Istio',
    unless: 'None',
  },
  publishNotReadyAddresses: { effect: 'is ignored: pods that are not ready are no endpoints', unless: false },
  loadBalancerIP: { effect: 'is ignored: the Service has its cluster IP only' },
};

/** Ignored fields of a document without nulls, in the order of the tables. Of a kind without any, or of a wrong shape: none. */
export function ignoredFields(kind: string, document: unknown): readonly IgnoredField[] {
  if (kind === 'Pod') return ofPodSpec(at(document, 'spec'), ['spec']);
  if (kind === 'Deployment') {
    const paused = ofTable({ paused: { effect: 'is ignored: the Deployment is rolled out', unless: false } }, at(document, 'spec'), [
      'spec',
    ]);
    return [...paused, ...ofPodSpec(at(document, 'spec', 'template', 'spec'), ['spec', 'template', 'spec'])];
  }
  if (kind === 'Service') {
    const type = at(document, 'spec', 'type');
    const found = ofTable(serviceFields, at(document, 'spec'), ['spec']);
    return type === 'NodePort' || type === 'LoadBalancer'
      ? [{ path: ['spec', 'type'], effect: `is ${type}, which the lab treats as ClusterIP` }, ...found]
      : found;
  }
  return [];
}

function ofPodSpec(spec: unknown, path: FieldPath): IgnoredField[] {
  const found = [
    ...ofTable(podFields, spec, path),
    ...ofTable(podSecurityFields, at(spec, 'securityContext'), [...path, 'securityContext']),
  ];
  for (const [index, container] of listOf(at(spec, 'containers')).entries())
    found.push(...ofContainer(container, [...path, 'containers', index]));
  return found;
}

function ofContainer(container: unknown, path: FieldPath): IgnoredField[] {
  const found = [
    ...ofTable(containerFields, container, path),
    ...ofTable(containerSecurityFields, at(container, 'securityContext'), [...path, 'securityContext']),
  ];
  for (const [index, variable] of listOf(at(container, 'env')).entries()) {
    if (at(variable, 'valueFrom') !== undefined)
      found.push({ path: [...path, 'env', index, 'valueFrom'], effect: 'is ignored: this variable is not set' });
  }
  for (const [index, port] of listOf(at(container, 'ports')).entries()) {
    if (at(port, 'hostPort') !== undefined)
      found.push({ path: [...path, 'ports', index, 'hostPort'], effect: 'is ignored: the port is open on the pod only' });
  }
  for (const probe of ['readinessProbe', 'livenessProbe']) {
    if (at(container, probe, 'grpc') !== undefined)
      found.push({ path: [...path, probe, 'grpc'], effect: 'is ignored: the lab has no gRPC probes' });
    for (const field of ['host', 'httpHeaders']) {
      if (at(container, probe, 'httpGet', field) !== undefined)
        found.push({ path: [...path, probe, 'httpGet', field], effect: 'is ignored' });
    }
  }
  return found;
}

function ofTable(table: Table, value: unknown, path: FieldPath): IgnoredField[] {
  return Object.entries(table)
    .filter(([field, { unless }]) => {
      const given = at(value, field);
      return given !== undefined && given !== unless && !(Array.isArray(given) && given.length === 0);
    })
    .map(([field, { effect }]) => ({ path: [...path, field], effect }));
}

function at(value: unknown, ...path: string[]): unknown {
  let current = value;
  for (const step of path) current = isRecord(current) && Object.hasOwn(current, step) ? current[step] : undefined;
  return current;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
