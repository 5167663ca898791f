import { connect } from 'node:net';
import type { Client } from '@connectrpc/connect';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Observer } from './gen/observer/observer_pb.js';

/** How a client proves who it is and whom it believes; contents of PEM files. */
export interface ClientTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly serverName?: string;
  readonly allowInsecure?: boolean;
}

/** A client of Hubble's API at `unix:///path`, `host:port` or `tls://host:port`. Connects with the first call. */
export function hubbleClient(server: string, tls: ClientTls | null): Client<typeof Observer> {
  const path = /^unix:(?:\/\/)?(\/.*)$/.exec(server)?.[1];
  if (path !== undefined) {
    const nodeOptions = { createConnection: () => connect(path) };
    return createClient(Observer, createGrpcTransport({ baseUrl: 'http://localhost', nodeOptions }));
  }
  const host = server.replace(/^tls:\/\//, '');
  if (tls === null && host === server) return createClient(Observer, createGrpcTransport({ baseUrl: `http://${host}` }));
  const { serverName, allowInsecure, ...pem } = tls ?? {};
  const nodeOptions = {
    ...pem,
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(allowInsecure === true ? { rejectUnauthorized: false } : {}),
  };
  return createClient(Observer, createGrpcTransport({ baseUrl: `https://${host}`, nodeOptions }));
}
