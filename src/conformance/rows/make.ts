import type { Identity } from '../identity.ts';
import { application, proxy, root } from '../identity.ts';
import type { Fields, Flow, Row, TcpFlow, UdpFlow, World } from '../types.ts';

/** The owners of the contract's tables, by its letters. */
export const A = application;
export const R = root;
export const E = proxy;
export const G: Identity = { uid: 1000, gid: 1337 };
export const U: Identity = { uid: 1337, gid: 1000 };

export function row(id: string, where: World, flow: Flow, expected: Fields): Row {
  return { id, world: where, flow, expected };
}

/** A connection out of the pod. */
export function tcp(who: Identity, to: string, rest: Partial<Omit<TcpFlow, 'kind' | 'who' | 'to'>> = {}): TcpFlow {
  return { kind: 'tcp', who, to, ...rest };
}

/** A connection from another host. */
export function inward(to: string, rest: Partial<Omit<TcpFlow, 'kind' | 'who' | 'to'>> = {}): TcpFlow {
  return { kind: 'tcp', who: root, to, at: 'outside', ...rest };
}

/** A datagram of an unconnected socket. */
export function udp(who: Identity, to: string, rest: Partial<Omit<UdpFlow, 'kind' | 'who' | 'to'>> = {}): UdpFlow {
  return { kind: 'udp', who, to: [to], ...rest };
}

/** The proxy's outbound port has it, knows where it was going, and the client believes that it is there. */
export function outbound(to: string, more: Fields = {}): Fields {
  return { reached: 'outbound', original: to, clientPeer: to, ...more };
}

/** The proxy's inbound port has it, and knows where it was going. */
export function inbound(to: string, more: Fields = {}): Fields {
  return { reached: 'inbound', original: to, clientPeer: to, ...more };
}

export const app: Fields = { reached: 'app' };
export const server: Fields = { reached: 'server' };
export const agent: Fields = { reached: 'agent' };
export const refused: Fields = { reached: 'ECONNREFUSED' };
