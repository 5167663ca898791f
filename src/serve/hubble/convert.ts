import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import type { Flow, LostEvents, Timestamp } from '../../flow/types.ts';
import type { Flow as FlowMessage } from './gen/flow/flow_pb.js';
import { FlowSchema } from './gen/flow/flow_pb.js';
import type { GetFlowsResponse } from './gen/observer/observer_pb.js';
import { GetFlowsResponseSchema } from './gen/observer/observer_pb.js';

/** A flow as a message of Hubble's API. */
export function messageOfFlow(flow: Flow): FlowMessage {
  // The fields are the same; the generated type only lacks `readonly`, and create() copies.
  return create(FlowSchema, flow as MessageInitShape<typeof FlowSchema>);
}

/** The answer that carries a flow. */
export function flowAnswer(flow: FlowMessage, original: Flow): GetFlowsResponse {
  return create(GetFlowsResponseSchema, {
    responseTypes: { case: 'flow', value: flow },
    nodeName: original.nodeName,
    ...(original.time === undefined ? {} : { time: original.time }),
  });
}

/** The answer that says how many events were lost. */
export function lostAnswer(lost: LostEvents, nodeName: string, time: Timestamp): GetFlowsResponse {
  return create(GetFlowsResponseSchema, { responseTypes: { case: 'lostEvents', value: lost }, nodeName, time });
}
