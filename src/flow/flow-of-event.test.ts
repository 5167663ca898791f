import { describe, expect, it } from 'vitest';
import { flowWorld, worldClocks, worldEvents } from '../../test/support/flow-world.ts';
import { eventBytes, flowEvent } from '../../test/support/scripted-events.ts';
import { Direction, FlowFlags, FlowType } from '../abi/gen/index.ts';
import { FlowRing } from './ring.ts';
import type { Flow } from './types.ts';
import { WallClock } from './wall-clock.ts';

const context = {
  directory: flowWorld,
  rules: flowWorld,
  nodeName: 'node-a',
  clusterName: 'default',
  emitter: { name: 'Millrace', version: '1' },
};

function flowOf(told: Parameters<typeof flowEvent>[0]): Flow {
  const ring = new FlowRing({ capacity: 1, clock: new WallClock(worldClocks), context, random: new Uint8Array(10) });
  ring.appendRecord(eventBytes(flowEvent(told)), 0);
  const entry = ring.at(0);
  if (entry?.kind !== 'flow') throw new Error('no flow');
  return entry.flow;
}

describe('flowOfEvent()', () => {
  it('tells a drop in full: who, why, where, and which policy', () => {
    expect(flowOf({ type: FlowType.DROP, subtype: 181, rule: 11, interface: 12 })).toMatchObject({
      time: { seconds: BigInt(Date.UTC(2026, 0, 2, 3, 4, 5) / 1000), nanos: 0 },
      uuid: '00000000-0000-4000-8000-000000000000',
      verdict: 2,
      dropReason: 181,
      dropReasonDesc: 181,
      IP: { source: '10.244.0.5', destination: '10.244.0.9', ipVersion: 1 },
      l4: { protocol: { case: 'TCP', value: { sourcePort: 40000, destinationPort: 5432, flags: { SYN: true, ACK: false } } } },
      source: { identity: 300, namespace: 'sample', podName: 'sleep-7d-x', workloads: [{ kind: 'Deployment', name: 'sleep' }] },
      destination: { identity: 301, labels: expect.arrayContaining(['k8s:app=sensitive-db']) },
      Type: 1,
      nodeName: 'node-a',
      eventType: { type: 1, subType: 181 },
      trafficDirection: 2,
      isReply: false,
      interface: { index: 12, name: 'mr-sleep' },
      Summary: 'TCP Flags: SYN',
      egressDeniedBy: [{ kind: 'CiliumNetworkPolicy', namespace: 'sample', name: 'deny-db' }],
      egressAllowedBy: [],
      policyLog: ['db is off limits'],
    });
  });

  it('names who allowed, at the end where it was seen', () => {
    const flow = flowOf({ type: FlowType.VERDICT, subtype: 0, rule: 12, direction: Direction.INGRESS });
    expect(flow).toMatchObject({
      verdict: 1,
      policyMatchType: 3,
      ingressAllowedBy: [{ name: 'allow-web' }],
      eventType: { type: 5, subType: 0 },
    });
  });

  it('calls what only audit let pass audited', () => {
    expect(flowOf({ type: FlowType.VERDICT, subtype: 133, flags: FlowFlags.AUDITED })).toMatchObject({ verdict: 4, dropReasonDesc: 0 });
  });

  it('leaves open whether a packet is a reply when the kernel did not know', () => {
    expect(flowOf({ flags: FlowFlags.REPLY_UNKNOWN })).not.toHaveProperty('isReply');
    expect(flowOf({ flags: FlowFlags.REPLY })).toMatchObject({ isReply: true, reply: true });
  });

  it('shows where the application dialled, not the proxy that it was handed to', () => {
    const redirected = worldEvents.find(({ type }) => type === FlowType.OPEN);
    expect(flowOf(redirected)).toMatchObject({
      verdict: 5,
      Type: 3,
      IP: { destination: '10.96.0.20' },
      l4: { protocol: { value: { destinationPort: 8000 } } },
      destinationService: { namespace: 'default', name: 'httpbin' },
      proxyPort: 15001,
      sockXlatePoint: 2,
    });
  });

  it('counts 64-bit numbers of bytes exactly', () => {
    const flow = flowOf({ type: FlowType.CLOSE, subtype: 0, bytesSent: 2n ** 63n + 1n, bytesReceived: 1n });
    expect(flow.Summary).toBe('Connection closed: 9223372036854775809 bytes sent, 1 bytes received');
  });

  it.each([
    [1, 0x0303, 'ICMPv4 DestinationUnreachable(Port)'],
    [1, 0x0801, 'ICMPv4 EchoRequest(Code: 1)'],
    [1, 0xc803, 'ICMPv4 200(3)'],
    [58, 0x8000, 'ICMPv6 EchoRequest'],
    [17, 53, 'UDP'],
    [47, 0, 'IPv4'],
  ])('summarizes protocol %i, port %i as %s', (protocol, dport, summary) => {
    expect(flowOf({ protocol, dport, tcpFlags: 0 }).Summary).toBe(summary);
  });
});
