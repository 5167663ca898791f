import { assertNever } from '../../base/errors.ts';
import type { Stage } from '../stage.ts';
import type { Fields, Flow } from '../types.ts';
import { runHalfClose, runResetReuse } from './endings.ts';
import { runEstablishedBefore, runLateProxy, runValidation } from './lifecycle.ts';
import { runFewPorts, runSamePort } from './many.ts';
import { runOptions, runOptionsUdp } from './options.ts';
import { runOriginalSource } from './original-source.ts';
import { runEchoRequest, runRawProtocol, runStraySegment } from './packets.ts';
import { runTcp } from './tcp.ts';
import { runUdp, runUdpPortReuse } from './udp.ts';

/** Makes a flow happen and says what could be seen of it. What the network refuses is seen, not thrown. */
export async function runFlow(stage: Stage, flow: Flow): Promise<Fields> {
  switch (flow.kind) {
    case 'tcp':
      return runTcp(stage, flow);
    case 'udp':
      return runUdp(stage, flow);
    case 'udp-port-reuse':
      return runUdpPortReuse(stage, flow);
    case 'same-port':
      return runSamePort(stage, flow);
    case 'few-ports':
      return runFewPorts(stage, flow);
    case 'half-close':
      return runHalfClose(stage, flow);
    case 'reset-reuse':
      return runResetReuse(stage, flow);
    case 'options':
      return runOptions(stage, flow);
    case 'options-udp':
      return runOptionsUdp(stage, flow);
    case 'established-before':
      return runEstablishedBefore(stage, flow);
    case 'late-proxy':
      return runLateProxy(stage, flow);
    case 'validation':
      return runValidation(stage, flow);
    case 'echo-request':
      return runEchoRequest(stage, flow);
    case 'raw-protocol':
      return runRawProtocol(stage, flow);
    case 'stray-segment':
      return runStraySegment(stage, flow);
    case 'original-source':
      return runOriginalSource(stage, flow);
    default:
      return assertNever(flow, 'flow');
  }
}
