import { Direction as DirectionNumber } from '../abi/gen/index.ts';
import type { BpfObject } from '../kernel/index.ts';
import { inNetns } from '../kernel/index.ts';
import type { Direction } from '../policy/types.ts';
import type { DataPlaneMaps } from '../redirect/ebpf/maps.ts';
import type { FirstPacket } from './first-packet.ts';
import { firstPacket, mappedAddress } from './first-packet.ts';

/** No client has this port (tcpmux), so that the connection that is asked for is nobody's. */
const sourcePort = 1;
/** struct __sk_buff, which the kernel gives back whole. */
const contextSize = 192;
const interfaceOffset = 40;
const TC_ACT_SHOT = 2;

/** The program that judges in a direction, by the node's end of a pod's interface. */
export const judges: Readonly<Record<Direction, string>> = { egress: 'mr_policy_from_pod', ingress: 'mr_policy_to_pod' };

export interface Question extends Omit<FirstPacket, 'sourcePort'> {
  readonly direction: Direction;
  /** The pod whose policy is asked, and the node's end of its interface. */
  readonly cookie: bigint;
  readonly interfaceIndex: number;
}

/**
 * Runs the loaded policy program on the first packet of a connection, as if it came by this interface (BPF_PROG_TEST_RUN). Nothing is sent. What the
 * program remembers of it is forgotten at once; the events that it tells stay told, from source port 1. @throws SysError; RangeError for an address that is none
 */
export function askProgram(
  object: BpfObject,
  maps: Pick<DataPlaneMaps, 'conntrack' | 'opening'>,
  node: { readonly fd: number },
  question: Question,
): 'pass' | 'drop' {
  const { direction, cookie, source, destination, protocol, port, interfaceIndex } = question;
  const frame = firstPacket({ source, destination, protocol, port, sourcePort });
  const context = Buffer.alloc(contextSize);
  context.writeUInt32LE(interfaceIndex, interfaceOffset);
  const program = object.program(judges[direction]);
  try {
    // the kernel looks for the interface in the namespace of whoever asks
    const { returned } = inNetns(node.fd, () => program.testRun(frame, { context }));
    return returned === TC_ACT_SHOT ? 'drop' : 'pass';
  } finally {
    const key = {
      cookie,
      src: mappedAddress(source),
      dst: mappedAddress(destination),
      sport: sourcePort,
      dport: port,
      protocol,
      direction: direction === 'egress' ? DirectionNumber.EGRESS : DirectionNumber.INGRESS,
    };
    maps.opening.delete(key);
    maps.conntrack.delete(key);
  }
}
