import { Socket } from 'node:net';
import { socketIn } from '../../kernel/index.ts';

/**
 * A TCP connection that starts in another network namespace. The socket is this process's: no program that is attached to the pods' cgroup
 * sees it, so it reaches what listens and not the sidecar. The caller owns it and gets 'connect' or 'error'.
 */
export function connectIn(netns: string, address: string, port: number): Socket {
  const socket = new Socket({ fd: socketIn(netns, { type: 'tcp', family: address.includes(':') ? 6 : 4 }) });
  socket.connect(port, address);
  return socket;
}
