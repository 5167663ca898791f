import { describe, expect, it } from 'vitest';
import { accessLogLines, dnsExchange, flowWorld, worldClocks, worldEvents } from '../../../test/support/flow-world.ts';
import { eventBytes } from '../../../test/support/scripted-events.ts';
import { MillraceError } from '../../base/errors.ts';
import { flowsOfDns } from '../dns-flow.ts';
import { flowsOfHttp, parseAccessLog } from '../http-log.ts';
import { FlowRing } from '../ring.ts';
import type { Flow } from '../types.ts';
import { WallClock } from '../wall-clock.ts';
import { compileFilters } from './compile.ts';
import type { FlowFilter } from './types.ts';

const context = {
  directory: flowWorld,
  rules: flowWorld,
  nodeName: 'node-a',
  clusterName: 'default',
  emitter: { name: 'Millrace', version: '1' },
};

/** The sixteen kernel events (0–15), then two HTTP requests with their answers (16–19) and a DNS query with its answer (20, 21). */
const flows: readonly Flow[] = (() => {
  const ring = new FlowRing({ capacity: 100, clock: new WallClock(worldClocks), context, random: new Uint8Array(10) });
  for (const event of worldEvents) ring.appendRecord(eventBytes(event), 0);
  for (const { line, pod } of accessLogLines) {
    const exchange = parseAccessLog(line, [pod]);
    if (exchange === null) throw new Error(`not understood: ${line}`);
    for (const flow of flowsOfHttp(exchange, context)) ring.appendFlow(flow);
  }
  for (const flow of flowsOfDns(dnsExchange, context)) ring.appendFlow(flow);
  return Array.from({ length: ring.end }, (_, number) => {
    const entry = ring.at(number);
    if (entry?.kind !== 'flow') throw new Error('no flow');
    return entry.flow;
  });
})();

const found = (allow: readonly FlowFilter[], deny: readonly FlowFilter[] = []): readonly number[] => {
  const wanted = compileFilters(allow, deny);
  return flows.flatMap((flow, index) => (wanted(flow) ? [index] : []));
};

const everything = flows.map((_, index) => index);
const flags = { FIN: false, SYN: false, RST: false, PSH: false, ACK: false, URG: false, ECE: false, CWR: false, NS: false };

describe('compileFilters()', () => {
  const cases: readonly (readonly [string, FlowFilter, readonly number[]])[] = [
    ['nothing', {}, everything],
    ['an empty list', { verdict: [] }, everything],
    ['verdicts', { verdict: [4, 5] }, [4, 14]],
    ['a reason', { dropReasonDesc: [181] }, [0, 1]],
    ['an event type', { eventType: [{ type: 1, matchSubType: false, subType: 0 }] }, [1, 2, 12]],
    ['a sub type that is 0', { eventType: [{ type: 4, matchSubType: true, subType: 0 }] }, [5, 8]],
    ['what is no reply, drops included', { reply: [false], verdict: [2] }, [0, 1, 2, 12, 18]],
    ['replies', { reply: [true] }, [6, 17, 19, 21]],
    ['protocols in any case', { protocol: ['ICMP', 'sctp'] }, [10, 11, 13]],
    ['a port', { destinationPort: ['80'] }, [3, 5, 15, 16, 18]],
    ['flags that must all be there', { tcpFlags: [{ ...flags, SYN: true, ACK: true }] }, [6]],
    ['an address', { sourceIp: ['fd00::5'] }, [8]],
    ['ranges of both families', { destinationIp: ['93.184.216.0/23', 'ff00::/7'] }, [10, 11]],
    ['a range that is no whole byte', { destinationIp: ['10.244.0.8/29'] }, [0, 1, 2, 7, 12, 13]],
    ['IPv6', { ipVersion: [2] }, [8, 11]],
    ['a pod by the beginning of its name', { destinationPod: ['sample/sens'] }, [0, 1, 2, 7, 12, 13]],
    ['a pod without namespace', { sourcePod: ['sleep'] }, []],
    ['a namespace', { sourcePod: ['default/'] }, [6, 17, 19]],
    ['any namespace', { sourcePod: ['/http'] }, [6, 17, 19]],
    ['a service', { destinationService: ['default/httpbin'] }, [14, 16]],
    ['a workload', { sourceWorkload: [{ kind: 'Deployment', name: 'httpbin' }] }, [6, 17, 19]],
    ['a kind of workload', { destinationWorkload: [{ kind: 'StatefulSet', name: '' }] }, [0, 1, 2, 7, 12, 13]],
    ['a name', { destinationFqdn: ['*.EXAMPLE.com.'] }, [10]],
    ['an identity', { destinationIdentity: [1 << 24] }, [10]],
    ['a cluster', { sourceClusterName: ['other'] }, []],
    ['labels', { sourceLabel: ['k8s:app=httpbin'] }, [6, 17, 19]],
    ['a direction', { trafficDirection: [1] }, [3, 5, 18, 19]],
    ['an interface', { interface: [{ index: 0, name: 'mr-sleep' }] }, [0, 1]],
    ['a node', { nodeName: ['default/node-*'] }, everything],
    ['another node', { nodeName: ['other/', 'nod'] }, []],
    ['a method', { httpMethod: ['get'] }, [16, 17]],
    ['a status', { httpStatusCode: ['4+'] }, [19]],
    ['a path', { httpPath: ['^/ip$'] }, [16, 17]],
    ['a URL', { httpUrl: ['q=<a>'] }, [16, 17]],
    ['a header', { httpHeader: [{ key: 'X-Request-Id', value: '0a1c' }] }, [18, 19]],
    ['a question', { dnsQuery: ['^httpbin\\.'] }, [20, 21]],
    ['several fields at once', { verdict: [2], destinationIdentity: [301], protocol: ['tcp'], reply: [false] }, [0, 1, 2]],
  ];

  it.each(cases)('finds %s', (_name, filter, expected) => {
    expect(found([filter])).toEqual(expected);
    expect(found([], [filter])).toEqual(everything.filter((index) => !expected.includes(index)));
  });

  it('takes either of two filters, without those of a third', () => {
    expect(found([{ verdict: [4] }, { verdict: [5] }], [{ verdict: [5] }])).toEqual([4]);
  });

  it('finds a flow by its uuid', () => {
    expect(found([{ uuid: [flows[7]?.uuid ?? ''] }])).toEqual([7]);
  });

  it.each<readonly [string, FlowFilter]>([
    ['an address', { sourceIp: ['1.2.3'] }],
    ['a range', { sourceIp: ['1.2.3.4/33'] }],
    ['a port', { sourcePort: ['65536'] }],
    ['a protocol', { protocol: ['quic'] }],
    ['an empty pod', { sourcePod: [''] }],
    ['an empty cluster', { sourceClusterName: [''] }],
    ['a name', { sourceFqdn: ['a$'] }],
    ['a node', { nodeName: ['a/b/c'] }],
    ['a selector', { sourceLabel: ['a in b'] }],
    ['a status', { httpStatusCode: ['600'] }],
    ['an expression', { httpPath: ['('] }],
    ['an expression that could run for ever', { httpUrl: ['^(([a-z])+.)+$'] }],
    ['another one', { dnsQuery: ['(a|aa)+$'] }],
    ['HTTP among drops', { httpMethod: ['GET'], eventType: [{ type: 1, matchSubType: false, subType: 0 }] }],
    ['CEL', { experimental: { celExpression: ['true'] } }],
  ])('refuses %s that makes no sense', (_name, filter) => {
    expect(() => compileFilters([filter], [])).toThrow(MillraceError);
    expect(() => compileFilters([], [filter])).toThrow(/^Cannot filter by .* because .*: current value /);
  });
});

describe('labelMatcher()', () => {
  const labels = ['k8s:app=sleep', 'k8s:tier=3', 'reserved:world', 'cidr:10.0.0.0/8'];
  const base = flows[0];
  it.each([
    ['app=sleep', true],
    ['app == sleep', true],
    ['k8s:app=sleep,reserved:world', true],
    ['any:app', true],
    ['reserved:app', false],
    ['!app', false],
    ['!other', true],
    ['app!=sleep', false],
    ['other!=x', true],
    ['app in (a, sleep)', true],
    ['app notin (a, sleep)', false],
    ['other notin (a)', true],
    ['tier>2', true],
    ['tier<3', false],
    ['other>2', false],
    ['', true],
  ])('says of %s: %s', (selector, expected) => {
    if (base === undefined) throw new Error('no flow');
    const flow: Flow = { ...base, nodeLabels: labels };
    expect(compileFilters([{ nodeLabels: [selector] }], [])(flow)).toBe(expected);
  });
});
