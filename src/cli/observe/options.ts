import { protocolNames } from '../../flow/filter/packet.ts';
import { timeFormats } from '../../flow/format/time-format.ts';
import { runningInstanceOption } from '../running-instance.ts';

const filter = (summary: string, short?: string) =>
  ({ kind: 'list', value: 'FILTER', summary, ...(short === undefined ? {} : { short }) }) as const;
const flag = (summary: string, short?: string) => ({ kind: 'flag', summary, ...(short === undefined ? {} : { short }) }) as const;
const file = (summary: string) => ({ kind: 'text', value: 'FILE', summary }) as const;

/** Which flows. */
const selectors = {
  last: { kind: 'number', value: 'N', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, summary: 'the newest N flows (20 unless told)' },
  first: { kind: 'number', value: 'N', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, summary: 'the oldest N flows' },
  all: flag('all flows that are kept'),
  follow: flag('go on with flows as they happen', 'f'),
  since: { kind: 'text', value: 'TIME', summary: 'flows since then: 5m, 1h30m, 2026-01-31, 2026-01-31T12:00:00Z' },
  until: { kind: 'text', value: 'TIME', summary: 'flows until then' },
} as const;

/** What they must look like. Of different filters all must match, of the same one any. */
const filters = {
  not: flag('turns the next filter around'),
  'from-label': filter('from an endpoint with these labels: app=sleep, reserved:world'),
  label: filter('from or to an endpoint with these labels', 'l'),
  'to-label': filter('to an endpoint with these labels'),
  'from-pod': filter('from pods: NAME-PREFIX (namespace default) or NAMESPACE/NAME-PREFIX'),
  pod: filter('from or to pods'),
  'to-pod': filter('to pods'),
  'from-namespace': filter('from a namespace'),
  namespace: filter('from or to a namespace', 'n'),
  'to-namespace': filter('to a namespace'),
  'from-all-namespaces': flag('from any namespace'),
  'all-namespaces': flag('from or to any namespace', 'A'),
  'to-all-namespaces': flag('to any namespace'),
  'from-service': filter('from the ClusterIP of a service'),
  service: filter('from or to the ClusterIP of a service'),
  'to-service': filter('to the ClusterIP of a service'),
  'from-workload': filter('from a workload: NAME or KIND/NAME'),
  workload: filter('from or to a workload'),
  'to-workload': filter('to a workload'),
  'from-ip': filter('from an address or a CIDR range'),
  ip: filter('from or to an address or a CIDR range'),
  'to-ip': filter('to an address or a CIDR range'),
  'snat-ip': filter('with this source address after translation'),
  'from-fqdn': filter('from a DNS name: *.example.com'),
  fqdn: filter('from or to a DNS name'),
  'to-fqdn': filter('to a DNS name'),
  'from-identity': filter('from an identity: a number, or host, world, …'),
  identity: filter('from or to an identity'),
  'to-identity': filter('to an identity'),
  'from-cluster': filter('from a cluster'),
  cluster: filter('from or to a cluster'),
  'to-cluster': filter('to a cluster'),
  'from-port': filter('from a port'),
  port: filter('from or to a port'),
  'to-port': filter('to a port'),
  protocol: filter(`of a protocol: ${protocolNames.join(', ')}`),
  'tcp-flags': filter('with these TCP flags: SYN,ACK'),
  verdict: filter('with this verdict: FORWARDED, DROPPED, AUDIT, REDIRECTED, ERROR, TRACED, TRANSLATED'),
  'drop-reason-desc': filter('dropped for this reason: POLICY_DENIED, POLICY_DENY, …'),
  type: filter('of this event type: drop, trace[:to-endpoint], policy-verdict, l7, trace-sock', 't'),
  'traffic-direction': filter('ingress or egress'),
  'http-status': filter('answered so: 404, 5+'),
  'http-method': filter('asked so: get'),
  'http-path': filter('with a path that this regular expression finds'),
  'http-url': filter('with a URL that this regular expression finds'),
  'http-header': filter('with a header: NAME:VALUE'),
  ipv4: flag('of IPv4', '4'),
  ipv6: flag('of IPv6', '6'),
  'ip-version': filter('of v4, v6 or none'),
  interface: filter('seen at this interface of the node'),
  'node-name': filter('seen on these nodes: node-*, cluster/node'),
  'node-label': filter('seen on nodes with these labels'),
  uuid: filter('this flow'),
  'trace-id': filter('of this trace'),
  'ip-trace-id': filter('of this trace in the IP options'),
  encrypted: flag('encrypted by WireGuard or IPsec'),
  unencrypted: flag('not encrypted by them'),
  allowlist: { kind: 'list', value: 'JSON', summary: 'a filter as JSON, in the terms of Hubble’s API' },
  denylist: { kind: 'list', value: 'JSON', summary: 'a filter of what to leave out, as JSON' },
} as const;

const formatting = {
  output: {
    kind: 'choice',
    short: 'o',
    choices: ['compact', 'dict', 'json', 'jsonpb', 'table'],
    aliases: { JSON: 'json', tab: 'table' },
    default: 'compact',
    summary: 'the format',
  },
  'print-node-name': flag('with the name of the node'),
  'print-policy-names': flag('with the policies that decided'),
  'time-format': { kind: 'choice', choices: timeFormats, default: 'StampMilli', summary: 'how times look, not in JSON' },
  color: { kind: 'choice', choices: ['auto', 'always', 'never'], default: 'auto', summary: 'colours, in compact and dict' },
  'ip-translation': {
    kind: 'choice',
    choices: ['true', 'false'],
    default: 'true',
    summary: 'names of pods and services in place of addresses',
  },
  numeric: flag('addresses only'),
  'field-mask': { kind: 'list', value: 'FIELDS', summary: 'only these fields, with commas: time,source.pod_name (JSON only)' },
  'use-default-field-masks': {
    kind: 'choice',
    choices: ['true', 'false'],
    default: 'true',
    summary: 'ask only for fields that the format shows',
  },
  'print-raw-filters': flag('print the filters and ask nobody'),
  'silent-errors': flag('say nothing on standard error', 's'),
  debug: flag('also what a relay says of nodes that are well', 'D'),
} as const;

const servers = {
  instance: runningInstanceOption,
  server: {
    kind: 'text',
    value: 'ADDRESSES',
    summary: 'unix:///path, host:port or tls://host:port; several with commas are merged by time',
  },
  'input-file': file('flows from a file in JSON in place of a server; - is standard input'),
  tls: flag('TLS without the tls:// before the address'),
  'tls-ca-cert-files': file('who may sign the certificate of the server'),
  'tls-client-cert-file': file('our certificate'),
  'tls-client-key-file': file('the key to it'),
  'tls-server-name': { kind: 'text', value: 'NAME', summary: 'the name in the certificate of the server' },
  'tls-allow-insecure': flag('accept any certificate'),
} as const;

/** The options of `millrace observe`: those of `hubble observe`, and --instance. */
export const observeOptions = { ...selectors, ...filters, ...formatting, ...servers } as const;
