import { closeFd, inNetns } from '../../src/kernel/index.ts';
import { check, libc } from '../../src/kernel/libc.ts';
import { receiveBytes } from '../../src/kernel/socket-io.ts';
import { formatIp } from '../../src/pods/address.ts';
import type { TestNetns } from './network.ts';

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const everyProtocol = 0x0300;

/** An IP packet as it passed an interface; `protocol` is that of the first header after the address. */
interface Packet {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
}

/** Every IP packet that comes to or leaves a namespace, on any of its interfaces, while this is open. */
export interface Wiretap extends Disposable {
  /** What passed since the last call. */
  packets(): readonly Packet[];
}

export function tap(netns: TestNetns): Wiretap {
  const fd = inNetns(netns.handle, () => check(libc().socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, everyProtocol), 'socket(packet)'));
  return {
    packets: () => {
      const all: Packet[] = [];
      for (let received = receiveBytes(fd); received !== null; received = receiveBytes(fd)) all.push(...parse(received.data));
      return all;
    },
    [Symbol.dispose]: () => closeFd(fd),
  };
}

function parse(data: Buffer): readonly Packet[] {
  const version = data.readUInt8(0) >> 4;
  if (version === 4) {
    const address = (at: number) => formatIp({ family: 4, bytes: Uint8Array.from(data.subarray(at, at + 4)) });
    return [{ protocol: data.readUInt8(9), source: address(12), destination: address(16) }];
  }
  if (version !== 6) return [];
  const address = (at: number) => formatIp({ family: 6, bytes: Uint8Array.from(data.subarray(at, at + 16)) });
  return [{ protocol: data.readUInt8(6), source: address(8), destination: address(24) }];
}
