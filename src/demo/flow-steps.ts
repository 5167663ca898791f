import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { instancePaths } from '../api/paths.ts';
import { hubbleClient } from '../serve/hubble/client.ts';
import type { FlowFilterSchema } from '../serve/hubble/gen/flow/flow_pb.js';
import { DropReason, Verdict } from '../serve/hubble/gen/flow/flow_pb.js';
import type { GetFlowsResponse } from '../serve/hubble/gen/observer/observer_pb.js';
import { GetFlowsResponseSchema } from '../serve/hubble/gen/observer/observer_pb.js';
import { protoJson } from '../serve/hubble/proto-json.ts';
import type { Stage } from './stage.ts';
import type { Step } from './step.ts';
import { exactly } from './step.ts';

type Flow = Extract<GetFlowsResponse['responseTypes'], { case: 'flow' }>['value'];

interface FlowStep extends Pick<Step, 'id' | 'title' | 'expected'> {
  /** Options of `millrace observe`, and the same as a filter of the API. */
  readonly options: string;
  readonly filter: MessageInitShape<typeof FlowFilterSchema>;
}

/** Cilium's numbers of events (pkg/monitor/api). */
const dropEvent = { type: 1 };
const l7Event = { type: 129 };
const toHttpbin = { sourceLabel: ['app=sleep'], destinationLabel: ['app=httpbin'], eventType: [l7Event], trafficDirection: [1] };

/** The policy article's step 5: the drop as a flow, in the words of Hubble. */
export function dropStep(stage: Stage): Step {
  return stepOf(stage, {
    id: 'flow-dropped',
    title: 'The drop as a flow: who, to whom, why, and by which policy',
    options: '--from-label app=sleep --to-label app=sensitive-db --type drop --verdict DROPPED',
    filter: {
      sourceLabel: ['app=sleep'],
      destinationLabel: ['app=sensitive-db'],
      eventType: [dropEvent],
      verdict: [Verdict.DROPPED],
    },
    expected: 'DROPPED Deployment/sleep → Deployment/sensitive-db:5432 TCP Flags: SYN, POLICY_DENIED by db-access-control',
  });
}

/** What the sidecars did with the requests, as flows. */
export function requestSteps(stage: Stage): readonly Step[] {
  return [
    stepOf(stage, {
      id: 'flow-request',
      title: 'The allowed request as a flow',
      options: '--from-label app=sleep --to-label app=httpbin --type l7 --traffic-direction ingress --http-path ^/ip',
      filter: { ...toHttpbin, httpPath: ['^/ip'] },
      expected: 'FORWARDED Deployment/sleep → Deployment/httpbin:80 HTTP/1.1 GET http://httpbin:8000/ip',
    }),
    stepOf(stage, {
      id: 'flow-refused',
      title: 'The request that the sidecar refused, as a flow',
      options:
        '--from-label app=sleep --to-label app=httpbin --type l7 --traffic-direction ingress --verdict DROPPED --http-path ^/headers',
      filter: { ...toHttpbin, verdict: [Verdict.DROPPED], httpPath: ['^/headers'] },
      expected: 'DROPPED Deployment/sleep → Deployment/httpbin:80 HTTP/1.1 GET http://httpbin:8000/headers',
    }),
  ];
}

function stepOf(stage: Stage, { id, title, options, filter, expected }: FlowStep): Step {
  const { instance } = stage.options;
  return {
    id,
    title,
    command: `millrace observe --instance ${instance} ${options} --last 1 -o json`,
    expected,
    look: async () => {
      const answer = await newest(`unix://${instancePaths(instance).hubbleSocket}`, filter);
      if (answer?.responseTypes.case !== 'flow') return exactly(expected, 'no such flow');
      return exactly(expected, describe(answer.responseTypes.value), [protoJson(GetFlowsResponseSchema, answer)]);
    },
  };
}

/** What matches and happened last, waited for up to two seconds; null when nothing does. */
async function newest(server: string, filter: FlowStep['filter']): Promise<GetFlowsResponse | null> {
  const client = hubbleClient(server, null);
  for (let attempt = 0; attempt < 20; attempt += 1) {
    for await (const answer of client.getFlows({ number: 1n, whitelist: [filter] })) {
      if (answer.responseTypes.case === 'flow') return answer;
    }
    await sleep(100);
  }
  return null;
}

/** A flow in one line. */
function describe({ verdict, source, destination, l4, dropReasonDesc, ingressDeniedBy, Summary }: Flow): string {
  const port = l4?.protocol.case === 'TCP' ? l4.protocol.value.destinationPort : 0;
  const why = dropReasonDesc === 0 ? '' : `, ${DropReason[dropReasonDesc]} by ${ingressDeniedBy.map(({ name }) => name).join(', ')}`;
  return `${Verdict[verdict]} ${workload(source)} → ${workload(destination)}:${port} ${Summary}${why}`;
}

function workload(end: Flow['source']): string {
  const [first] = end?.workloads ?? [];
  return first === undefined ? (end?.podName ?? 'nobody') : `${first.kind}/${first.name}`;
}
