import { assertNever } from '../base/errors.ts';
import { closeFd } from '../kernel/index.ts';
import type { Listener } from './listener.ts';
import { drain } from './listener.ts';
import type { ProxyShape } from './types.ts';

/** What the proxy asks for: a name, an endpoint, and whether an IPv6 socket speaks IPv4 too. */
export interface Place {
  readonly name: string;
  readonly type: 'tcp' | 'udp';
  readonly at: string;
  readonly dual: boolean;
}

const agent: readonly Place[] = (['tcp', 'udp'] as const).flatMap((type) =>
  ['127.0.0.1:15053', '[::1]:15053'].map((at) => ({ name: 'agent', type, at, dual: false })),
);

function capture(hosts: readonly string[], dual: boolean): readonly Place[] {
  return hosts.flatMap((host) => [
    { name: 'outbound', type: 'tcp', at: `${host}:15001`, dual },
    { name: 'inbound', type: 'tcp', at: `${host}:15006`, dual },
  ]);
}

function placesOf(shape: ProxyShape): readonly Place[] {
  switch (shape) {
    case 'up':
      return [...capture(['0.0.0.0', '[::]'], false), ...agent];
    case 'dual':
      return [...capture(['[::]'], true), ...agent];
    case 'loopback':
      return [...capture(['127.0.0.1', '[::1]'], false), ...agent];
    case 'no-agent':
      return capture(['0.0.0.0', '[::]'], false);
    case 'down':
      return [];
    default:
      return assertNever(shape, 'proxy shape');
  }
}

/** Stands in for a sidecar: listens where a proxy and its DNS agent listen, under their ids, and never sends anything anywhere itself. */
export class StandInProxy implements Disposable {
  readonly #shape: ProxyShape;
  readonly #open: (place: Place) => number;
  #listeners: readonly (Listener & { readonly type: Place['type'] })[] = [];

  /** `open` makes one socket of the proxy; the proxy closes it. */
  constructor(shape: ProxyShape, open: (place: Place) => number) {
    this.#shape = shape;
    this.#open = open;
  }

  /** Whether it takes connections in any mode. */
  get up(): boolean {
    return this.#shape !== 'down';
  }

  get tcp(): readonly Listener[] {
    return this.#listeners.filter(({ type }) => type === 'tcp');
  }

  get udp(): readonly Listener[] {
    return this.#listeners.filter(({ type }) => type === 'udp');
  }

  start(): void {
    for (const place of placesOf(this.#shape)) {
      this.#listeners = [...this.#listeners, { name: place.name, type: place.type, fd: this.#open(place) }];
    }
  }

  /** Closes what the last row has left in the queues. */
  drain(): void {
    drain(this.tcp);
  }

  stop(): void {
    for (const { fd } of this.#listeners) closeFd(fd);
    this.#listeners = [];
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
