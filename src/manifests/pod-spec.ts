import { z } from 'zod';
import {
  argument,
  count,
  dnsLabel,
  dnsSubdomain,
  fields,
  nonEmpty,
  portNumber,
  portOrName,
  protocol,
  refuse,
  servicePortName,
  text,
  unused,
} from './fields.ts';
import type { Container, PodSpec, Probe, ProbeAction } from './types.ts';

/** A container before it is given its place in the file. */
export type ContainerBody = Omit<Container, 'position'>;

/** A pod's spec whose containers have no place yet. */
export type PodSpecBody = Omit<PodSpec, 'containers'> & { readonly containers: readonly ContainerBody[] };

const scheme = z.enum(['HTTP', 'HTTPS']);

const probe = fields({
  httpGet: fields({ path: argument.optional(), port: portOrName, scheme: scheme.optional(), ...unused('host', 'httpHeaders') }).optional(),
  tcpSocket: fields({ port: portOrName, ...unused('host') }).optional(),
  exec: fields({ command: z.array(argument).min(1) }).optional(),
  grpc: z.unknown().optional(),
  initialDelaySeconds: count.optional(),
  periodSeconds: count.min(1).optional(),
  timeoutSeconds: count.min(1).optional(),
  successThreshold: count.min(1).optional(),
  failureThreshold: count.min(1).optional(),
  ...unused('terminationGracePeriodSeconds'),
}).transform((raw, ctx): Probe | null => {
  const actions = (['httpGet', 'tcpSocket', 'exec', 'grpc'] as const).filter((name) => raw[name] !== undefined);
  if (actions.length !== 1) {
    refuse(ctx, 'must have exactly one of httpGet, tcpSocket, exec, grpc', 'Give one way to probe.');
    return z.NEVER;
  }
  const action = probeAction(raw);
  if (action === null) return null;
  return {
    action,
    initialDelaySeconds: raw.initialDelaySeconds ?? 0,
    periodSeconds: raw.periodSeconds ?? 10,
    timeoutSeconds: raw.timeoutSeconds ?? 1,
    successThreshold: raw.successThreshold ?? 1,
    failureThreshold: raw.failureThreshold ?? 3,
  };
});

interface RawActions {
  readonly httpGet?:
    | { readonly path?: string | undefined; readonly port: number | string; readonly scheme?: 'HTTP' | 'HTTPS' | undefined }
    | undefined;
  readonly tcpSocket?: { readonly port: number | string } | undefined;
  readonly exec?: { readonly command: readonly string[] } | undefined;
}

/** null: a way to probe that the lab does not have; ignored-fields.ts says so to the user. */
function probeAction(raw: RawActions): ProbeAction | null {
  if (raw.httpGet !== undefined)
    return { kind: 'httpGet', path: raw.httpGet.path ?? '/', port: raw.httpGet.port, scheme: raw.httpGet.scheme ?? 'HTTP' };
  if (raw.tcpSocket !== undefined) return { kind: 'tcpSocket', port: raw.tcpSocket.port };
  if (raw.exec !== undefined) return { kind: 'exec', command: raw.exec.command };
  return null;
}

/** 0 to 2^31 - 1, as Kubernetes checks it. */
const id = count;

const envVariable = fields({
  name: text((value) => /^[ -<>-~]+$/.test(value), 'must be the name of a variable', "Use printable ASCII without '='."),
  value: argument.optional(),
  valueFrom: z.unknown().optional(),
});

const container = fields({
  name: dnsLabel,
  image: nonEmpty,
  command: z.array(argument).optional(),
  args: z.array(argument).optional(),
  env: z.array(envVariable).optional(),
  ports: z
    .array(fields({ name: servicePortName.optional(), containerPort: portNumber, protocol, ...unused('hostPort', 'hostIP') }))
    .superRefine((ports, ctx) => {
      const seen = new Set<string>();
      for (const [index, port] of ports.entries()) {
        if (port.name !== undefined && seen.has(port.name))
          refuse(ctx, 'is the name of another port of this container', 'Give each port its own name.', [index, 'name']);
        if (port.name !== undefined) seen.add(port.name);
      }
    })
    .optional(),
  workingDir: argument.optional(),
  securityContext: fields({
    runAsUser: id.optional(),
    runAsGroup: id.optional(),
    ...unused('allowPrivilegeEscalation', 'appArmorProfile', 'capabilities', 'privileged', 'procMount', 'readOnlyRootFilesystem'),
    ...unused('runAsNonRoot', 'seLinuxOptions', 'seccompProfile', 'windowsOptions'),
  }).optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  ...unused('envFrom', 'imagePullPolicy', 'lifecycle', 'resizePolicy', 'resources', 'restartPolicy', 'restartPolicyRules', 'startupProbe'),
  ...unused('stdin', 'stdinOnce', 'terminationMessagePath', 'terminationMessagePolicy', 'tty', 'volumeDevices', 'volumeMounts'),
});

/** A pod's spec, with Kubernetes' defaults filled in. */
export const podSpec = fields({
  containers: z
    .array(container)
    .min(1)
    .superRefine((containers, ctx) => {
      const seen = new Set<string>();
      for (const [index, { name }] of containers.entries()) {
        if (seen.has(name))
          refuse(ctx, 'is the name of another container of this pod', 'Give each container its own name.', [index, 'name']);
        seen.add(name);
      }
    }),
  restartPolicy: z.enum(['Always', 'OnFailure', 'Never']).optional(),
  terminationGracePeriodSeconds: count.optional(),
  hostname: dnsLabel.optional(),
  serviceAccountName: dnsSubdomain.optional(),
  /** Deprecated alias of serviceAccountName. */
  serviceAccount: dnsSubdomain.optional(),
  securityContext: fields({
    runAsUser: id.optional(),
    runAsGroup: id.optional(),
    ...unused(
      'appArmorProfile',
      'fsGroup',
      'fsGroupChangePolicy',
      'runAsNonRoot',
      'seLinuxChangePolicy',
      'seLinuxOptions',
      'seccompProfile',
    ),
    ...unused('supplementalGroups', 'supplementalGroupsPolicy', 'sysctls', 'windowsOptions'),
  }).optional(),
  ...unused('activeDeadlineSeconds', 'affinity', 'automountServiceAccountToken', 'dnsConfig', 'dnsPolicy', 'enableServiceLinks'),
  ...unused('ephemeralContainers', 'hostAliases', 'hostIPC', 'hostNetwork', 'hostPID', 'hostUsers', 'hostnameOverride', 'imagePullSecrets'),
  ...unused('initContainers', 'nodeName', 'nodeSelector', 'os', 'overhead', 'preemptionPolicy', 'priority', 'priorityClassName'),
  ...unused('readinessGates', 'resourceClaims', 'resources', 'runtimeClassName', 'schedulerName', 'schedulingGates', 'setHostnameAsFQDN'),
  ...unused('shareProcessNamespace', 'subdomain', 'tolerations', 'topologySpreadConstraints', 'volumes'),
}).transform((raw): PodSpecBody => {
  return {
    serviceAccountName: raw.serviceAccountName ?? raw.serviceAccount ?? 'default',
    containers: raw.containers.map((item) => ({
      name: item.name,
      image: item.image,
      command: item.command ?? null,
      args: item.args ?? null,
      env: (item.env ?? []).filter(({ valueFrom }) => valueFrom === undefined).map(({ name, value }) => ({ name, value: value ?? '' })),
      ports: (item.ports ?? []).map((port) => ({ name: port.name ?? null, containerPort: port.containerPort, protocol: port.protocol })),
      workingDir: item.workingDir ?? null,
      runAsUser: item.securityContext?.runAsUser ?? raw.securityContext?.runAsUser ?? null,
      runAsGroup: item.securityContext?.runAsGroup ?? raw.securityContext?.runAsGroup ?? null,
      readinessProbe: item.readinessProbe ?? null,
      livenessProbe: item.livenessProbe ?? null,
    })),
    restartPolicy: raw.restartPolicy ?? 'Always',
    terminationGracePeriodSeconds: raw.terminationGracePeriodSeconds ?? 30,
    hostname: raw.hostname ?? null,
  };
});
