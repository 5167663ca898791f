import type { MessageInitShape } from '@bufbuild/protobuf';
import { create, equals } from '@bufbuild/protobuf';
import { UserError } from '../../base/errors.ts';
import { eventTypeNames, reservedIdentities, tracePointNames, verdictNames } from '../../flow/codes.ts';
import { dropReasonNames } from '../../flow/drop-reason.ts';
import type { FlowFilter } from '../../serve/hubble/gen/flow/flow_pb.js';
import {
  EventTypeFilterSchema,
  FlowFilterSchema,
  IPVersion,
  TCPFlagsSchema,
  TrafficDirection,
  WorkloadSchema,
} from '../../serve/hubble/gen/flow/flow_pb.js';
import type { OptionOccurrence } from '../command.ts';
import { conflictsOf } from './filter-conflicts.ts';

/** What one option adds to a filter. Throws UserError USAGE for a value that makes no sense. */
type Put = (filter: FlowFilter, value: string, option: string) => void;

type FlagMeaning =
  /** Both alternatives get it. */
  | { readonly kind: 'both'; readonly put: Put }
  /** One alternative asks the source, the other one the destination. */
  | { readonly kind: 'either'; readonly source: Put; readonly destination: Put }
  /** Namespaces are joined to the names of pods and services at the end. */
  | { readonly kind: 'namespace'; readonly of: 'either' | 'source' | 'destination'; readonly all: boolean };

const both = (put: Put): FlagMeaning => ({ kind: 'both', put });

/** `--X`, `--from-X` and `--to-X`. */
function sides(name: string, source: Put, destination: Put): Record<string, FlagMeaning> {
  return { [name]: { kind: 'either', source, destination }, [`from-${name}`]: both(source), [`to-${name}`]: both(destination) };
}

/** Every option that is a filter. */
export const filterFlags: Readonly<Record<string, FlagMeaning>> = {
  ...sides(
    'ip',
    (f, value) => f.sourceIp.push(value),
    (f, value) => f.destinationIp.push(value),
  ),
  ...sides(
    'fqdn',
    (f, value) => f.sourceFqdn.push(value),
    (f, value) => f.destinationFqdn.push(value),
  ),
  ...sides(
    'pod',
    (f, value) => f.sourcePod.push(value),
    (f, value) => f.destinationPod.push(value),
  ),
  ...sides(
    'label',
    (f, value) => f.sourceLabel.push(value),
    (f, value) => f.destinationLabel.push(value),
  ),
  ...sides(
    'service',
    (f, value) => f.sourceService.push(value),
    (f, value) => f.destinationService.push(value),
  ),
  ...sides(
    'port',
    (f, value) => f.sourcePort.push(value),
    (f, value) => f.destinationPort.push(value),
  ),
  ...sides(
    'cluster',
    (f, value) => f.sourceClusterName.push(value),
    (f, value) => f.destinationClusterName.push(value),
  ),
  ...sides(
    'workload',
    (f, value) => f.sourceWorkload.push(workload(value)),
    (f, value) => f.destinationWorkload.push(workload(value)),
  ),
  ...sides(
    'identity',
    (f, value, option) => f.sourceIdentity.push(identity(value, option)),
    (f, value, option) => f.destinationIdentity.push(identity(value, option)),
  ),
  namespace: { kind: 'namespace', of: 'either', all: false },
  'from-namespace': { kind: 'namespace', of: 'source', all: false },
  'to-namespace': { kind: 'namespace', of: 'destination', all: false },
  'all-namespaces': { kind: 'namespace', of: 'either', all: true },
  'from-all-namespaces': { kind: 'namespace', of: 'source', all: true },
  'to-all-namespaces': { kind: 'namespace', of: 'destination', all: true },
  uuid: both((f, value) => f.uuid.push(value)),
  'snat-ip': both((f, value) => f.sourceIpXlated.push(value)),
  ipv4: both((f) => f.ipVersion.push(IPVersion.IPv4)),
  ipv6: both((f) => f.ipVersion.push(IPVersion.IPv6)),
  'ip-version': both((f, value) => f.ipVersion.push(ipVersion(value))),
  'trace-id': both((f, value) => f.traceId.push(value)),
  'ip-trace-id': both((f, value, option) => {
    if (!/^[0-9]{1,19}$/.test(value) || BigInt(value) === 0n) throw wrong(option, 'it is not a positive number', value);
    f.ipTraceId.push(BigInt(value));
  }),
  verdict: both((f, value, option) => f.verdict.push(oneOfNames(verdictNames, value, option))),
  'drop-reason-desc': both((f, value, option) => f.dropReasonDesc.push(dropReason(value, option))),
  'http-status': both((f, value) => f.httpStatusCode.push(value)),
  'http-method': both((f, value) => f.httpMethod.push(value)),
  'http-path': both((f, value) => f.httpPath.push(value)),
  'http-url': both((f, value) => f.httpUrl.push(value)),
  'http-header': both((f, value, option) => {
    const colon = value.indexOf(':');
    if (colon < 0) throw wrong(option, 'it is not name:value', value);
    f.httpHeader.push({ $typeName: 'flow.HTTPHeader', key: value.slice(0, colon), value: value.slice(colon + 1) });
  }),
  type: both((f, value, option) => f.eventType.push(create(EventTypeFilterSchema, eventType(value, option)))),
  protocol: both((f, value) => f.protocol.push(value)),
  'node-name': both((f, value) => f.nodeName.push(value)),
  'node-label': both((f, value) => f.nodeLabels.push(value)),
  'tcp-flags': both((f, value, option) => f.tcpFlags.push(create(TCPFlagsSchema, tcpFlags(value, option)))),
  'traffic-direction': both((f, value, option) => f.trafficDirection.push(trafficDirection(value, option))),
  interface: both((f, value) => f.interface.push({ $typeName: 'flow.NetworkInterface', index: 0, name: value })),
  encrypted: both((f) => f.encrypted.push(true)),
  unencrypted: both((f) => f.encrypted.push(false)),
};

/** What the options ask for: flows that match any of `allow` and none of `deny`. */
export interface FilterLists {
  readonly allow: readonly FlowFilter[];
  readonly deny: readonly FlowFilter[];
}

/** Makes filters of the options in their order; `--not` turns the next one around. Throws UserError USAGE. */
export function filtersOf(occurrences: readonly OptionOccurrence[]): FilterLists {
  const allow = new Alternatives();
  const deny = new Alternatives();
  let not = false;
  for (const { name, value } of occurrences) {
    if (name === 'not') {
      if (not) throw wrong('not', 'two of them follow each other', '--not --not');
      not = true;
      continue;
    }
    const meaning = filterFlags[name];
    if (meaning === undefined) continue;
    (not ? deny : allow).add(name, meaning, value ?? '');
    not = false;
  }
  if (not) throw wrong('not', 'no filter follows it', '--not');
  return { allow: allow.filters(), deny: deny.filters() };
}

/** Two filters of which one must match: one for each end of a flow. */
class Alternatives {
  readonly #left = create(FlowFilterSchema);
  readonly #right = create(FlowFilterSchema);
  readonly #namespaces = { either: [] as string[], source: [] as string[], destination: [] as string[] };
  readonly #used = new Set<string>();

  add(name: string, meaning: FlagMeaning, value: string): void {
    this.#used.add(name);
    const other = conflictsOf(name).find((candidate) => this.#used.has(candidate));
    if (other !== undefined) throw wrong(name, `it cannot be combined with --${other}`, value);
    switch (meaning.kind) {
      case 'both':
        meaning.put(this.#left, value, name);
        meaning.put(this.#right, value, name);
        break;
      case 'either':
        meaning.source(this.#left, value, name);
        meaning.destination(this.#right, value, name);
        break;
      case 'namespace':
        this.#namespaces[meaning.of].push(meaning.all ? '' : value);
        break;
    }
    for (const filter of [this.#left, this.#right]) this.#checkNamespaces(filter);
  }

  filters(): readonly FlowFilter[] {
    if (this.#used.size === 0) return [];
    const { either, source, destination } = this.#namespaces;
    for (const filter of [this.#left, this.#right]) {
      if (destination.length > 0) withNamespaces(filter, 'destination', destination);
      if (source.length > 0) withNamespaces(filter, 'source', source);
    }
    if (either.length > 0) {
      withNamespaces(this.#left, 'source', either);
      withNamespaces(this.#right, 'destination', either);
    }
    return equals(FlowFilterSchema, this.#left, this.#right) ? [this.#left] : [this.#left, this.#right];
  }

  #checkNamespaces(filter: FlowFilter): void {
    const { either, source, destination } = this.#namespaces;
    const sources = [...filter.sourcePod, ...filter.sourceService];
    const destinations = [...filter.destinationPod, ...filter.destinationService];
    refuseOther(either, [...sources, ...destinations]);
    refuseOther(source, sources);
    refuseOther(destination, destinations);
    refuseMixture(filter.sourcePod, filter.sourceService);
    refuseMixture(filter.destinationPod, filter.destinationService);
  }
}

function withNamespaces(filter: FlowFilter, side: 'source' | 'destination', namespaces: readonly string[]): void {
  const pods = side === 'source' ? filter.sourcePod : filter.destinationPod;
  const services = side === 'source' ? filter.sourceService : filter.destinationService;
  if (pods.length === 0 && services.length === 0) pods.push('');
  for (const names of [pods, services]) {
    names.splice(
      0,
      names.length,
      ...names.flatMap((name) => (name.includes('/') ? [name] : namespaces.map((namespace) => `${namespace}/${name}`))),
    );
  }
}

function namespaceOf(name: string): string {
  const slash = name.indexOf('/');
  return slash < 0 ? '' : name.slice(0, slash);
}

function refuseOther(namespaces: readonly string[], names: readonly string[]): void {
  for (const namespace of namespaces) {
    const other = names.find((name) => !['', namespace].includes(namespaceOf(name)));
    if (other !== undefined) throw wrong('namespace', `the filter also asks for ${other}`, namespace);
  }
}

function refuseMixture(pods: readonly string[], services: readonly string[]): void {
  for (const pod of pods) {
    const namespace = namespaceOf(pod);
    const other = namespace === '' ? undefined : services.find((service) => namespaceOf(service) !== namespace);
    if (other !== undefined) throw wrong('service', `the filter also asks for the pod ${pod}, of another namespace`, other);
  }
}

function wrong(option: string, reason: string, value: string): UserError {
  return new UserError('USAGE', `Cannot filter by --${option} because ${reason}: current value ${JSON.stringify(value)}`, {
    cure: 'The help lists the filters and what they take.',
    command: 'millrace observe --help',
    exitCode: 2,
  });
}

function oneOfNames(names: readonly string[], value: string, option: string): number {
  const number = names.indexOf(value);
  if (number < 0) throw wrong(option, `it is none of ${names.join(', ')}`, value);
  return number;
}

function dropReason(value: string, option: string): number {
  const found = Object.entries(dropReasonNames).find(([, name]) => name === value);
  if (found === undefined) throw wrong(option, 'it is no reason for a drop, such as POLICY_DENIED', value);
  return Number(found[0]);
}

function identity(value: string, option: string): number {
  const reserved = [...reservedIdentities].find(([number, name]) => number > 0 && name === value);
  if (reserved !== undefined) return reserved[0];
  const number = Number(value);
  if (!/^(0x[0-9a-fA-F]+|[0-9]+)$/.test(value) || number > 0xffff_ffff) {
    throw wrong(option, `it is neither a number nor one of ${[...reservedIdentities.values()].join(', ')}`, value);
  }
  return number;
}

function workload(value: string) {
  const slash = value.indexOf('/');
  return create(WorkloadSchema, slash < 0 ? { name: value } : { kind: value.slice(0, slash), name: value.slice(slash + 1) });
}

function ipVersion(value: string): IPVersion {
  if (/^(ip)?v?4$/i.test(value)) return IPVersion.IPv4;
  return /^(ip)?v?6$/i.test(value) ? IPVersion.IPv6 : IPVersion.IP_NOT_USED;
}

function trafficDirection(value: string, option: string): TrafficDirection {
  if (value.toLowerCase() === 'ingress') return TrafficDirection.INGRESS;
  if (value.toLowerCase() === 'egress') return TrafficDirection.EGRESS;
  throw wrong(option, 'it is neither ingress nor egress', value);
}

function eventType(value: string, option: string): MessageInitShape<typeof EventTypeFilterSchema> {
  const [typeText = '', subText] = value.split(/:(.*)/s);
  const type = eventTypeNames.get(typeText) ?? numberOf(typeText);
  if (type === null) throw wrong(option, `its type is none of ${[...eventTypeNames.keys()].join(', ')} and no number`, value);
  if (subText === undefined) return { type };
  const points: readonly string[] = tracePointNames;
  const point = typeText === 'trace' || type === eventTypeNames.get('trace') ? points.indexOf(subText) : -1;
  const subType = point >= 0 ? point : numberOf(subText);
  if (subType === null) throw wrong(option, 'its sub type is neither a name nor a number', value);
  return { type, matchSubType: true, subType };
}

function numberOf(text: string): number | null {
  return /^[0-9]{1,9}$/.test(text) ? Number(text) : null;
}

const flagNames = ['SYN', 'FIN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'NS'];

function tcpFlags(value: string, option: string): MessageInitShape<typeof TCPFlagsSchema> {
  const wanted = value.split(',').map((flag) => flag.toUpperCase());
  const unknown = wanted.find((flag) => !flagNames.includes(flag));
  if (unknown !== undefined) throw wrong(option, `${unknown} is none of ${flagNames.join(', ')}`, value);
  return Object.fromEntries(wanted.map((flag) => [flag, true]));
}
