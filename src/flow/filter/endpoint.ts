import type { Endpoint, Flow, ServiceName, Workload } from '../types.ts';
import { addressMatcher } from './address.ts';
import { filterError } from './error.ts';
import { labelMatcher } from './label-selector.ts';
import type { Matcher } from './matcher.ts';
import { given, oneOf } from './matcher.ts';
import { fqdnPattern } from './patterns.ts';
import type { FlowFilter } from './types.ts';

/** One side of a filter and where its values stand in a flow. */
interface Side {
  readonly prefix: 'source' | 'destination';
  readonly endpoint: (flow: Flow) => Endpoint | undefined;
  readonly address: (flow: Flow) => string | undefined;
  readonly service: (flow: Flow) => ServiceName | undefined;
  readonly names: (flow: Flow) => readonly string[];
}

const source: Side = {
  prefix: 'source',
  endpoint: (flow) => flow.source,
  address: (flow) => flow.IP?.source,
  service: (flow) => flow.sourceService,
  names: (flow) => flow.sourceNames,
};

const destination: Side = {
  prefix: 'destination',
  endpoint: (flow) => flow.destination,
  address: (flow) => flow.IP?.destination,
  service: (flow) => flow.destinationService,
  names: (flow) => flow.destinationNames,
};

/** What a filter asks of the two ends of a flow, and of the labels of the node. */
export function endpointMatchers(filter: FlowFilter): readonly Matcher[] {
  return [
    ...sideMatchers(source, {
      ip: filter.sourceIp,
      pod: filter.sourcePod,
      fqdn: filter.sourceFqdn,
      label: filter.sourceLabel,
      service: filter.sourceService,
      workload: filter.sourceWorkload,
      cluster: filter.sourceClusterName,
      identity: filter.sourceIdentity,
    }),
    ...sideMatchers(destination, {
      ip: filter.destinationIp,
      pod: filter.destinationPod,
      fqdn: filter.destinationFqdn,
      label: filter.destinationLabel,
      service: filter.destinationService,
      workload: filter.destinationWorkload,
      cluster: filter.destinationClusterName,
      identity: filter.destinationIdentity,
    }),
    ...given(filter.nodeLabels, (list) => labelMatcher('node_labels', list, (flow) => flow.nodeLabels)),
  ];
}

interface SideFilter {
  readonly ip: readonly string[] | undefined;
  readonly pod: readonly string[] | undefined;
  readonly fqdn: readonly string[] | undefined;
  readonly label: readonly string[] | undefined;
  readonly service: readonly string[] | undefined;
  readonly workload: readonly Workload[] | undefined;
  readonly cluster: readonly string[] | undefined;
  readonly identity: readonly number[] | undefined;
}

function sideMatchers({ prefix, endpoint, address, service, names }: Side, filter: SideFilter): readonly Matcher[] {
  const field = (name: string): string => `${prefix}_${name}`;
  return [
    ...oneOf(filter.identity, (flow) => endpoint(flow)?.identity ?? 0),
    ...given(filter.ip, (list) => addressMatcher(field('ip'), list, address)),
    ...given(filter.pod, (list) =>
      namespacedMatcher(field('pod'), list, (flow) => ({
        namespace: endpoint(flow)?.namespace ?? '',
        name: endpoint(flow)?.podName ?? '',
      })),
    ),
    ...given(filter.workload, (list) => workloadMatcher(list, endpoint)),
    ...given(filter.service, (list) => namespacedMatcher(field('service'), list, service)),
    ...given(filter.fqdn, (list) => {
      const pattern = fqdnPattern(field('fqdn'), list);
      return (flow) => names(flow).some((name) => pattern.test(name));
    }),
    ...given(filter.label, (list) => labelMatcher(field('label'), list, (flow) => endpoint(flow)?.labels ?? [])),
    ...given(filter.cluster, (list) => {
      if (list.includes('')) throw filterError(field('cluster_name'), 'it is empty', '');
      return (flow) => list.includes(endpoint(flow)?.clusterName ?? '');
    }),
  ];
}

/** Names by prefix: without a slash they are in the namespace default. */
function namespacedMatcher(field: string, list: readonly string[], of: (flow: Flow) => ServiceName | undefined): Matcher {
  const wanted = list.map((text) => {
    if (text === '') throw filterError(field, 'it is empty', text);
    const slash = text.indexOf('/');
    return slash < 0 ? { namespace: 'default', prefix: text } : { namespace: text.slice(0, slash), prefix: text.slice(slash + 1) };
  });
  return (flow) => {
    const found = of(flow);
    if (found === undefined || (found.namespace === '' && found.name === '')) return false;
    return wanted.some(({ namespace, prefix }) => found.name.startsWith(prefix) && (namespace === '' || namespace === found.namespace));
  };
}

function workloadMatcher(list: readonly Workload[], endpoint: Side['endpoint']): Matcher {
  return (flow) =>
    endpoint(flow)?.workloads.some((workload) =>
      list.some(({ name, kind }) => (name === '' || name === workload.name) && (kind === '' || kind === workload.kind)),
    ) ?? false;
}
