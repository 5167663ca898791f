import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { playWorld, startFlowServer } from '../../test/support/flow-server.ts';
import { flowEvent } from '../../test/support/scripted-events.ts';
import { UserError } from '../base/errors.ts';
import { hubbleClient } from './hubble/client.ts';
import { Health } from './hubble/gen/grpc/health/v1/health_pb.js';
import type { GetFlowsRequestSchema, GetFlowsResponse } from './hubble/gen/observer/observer_pb.js';
import { Peer } from './hubble/gen/peer/peer_pb.js';

async function ask(address: string, request: MessageInitShape<typeof GetFlowsRequestSchema>): Promise<readonly GetFlowsResponse[]> {
  const answers: GetFlowsResponse[] = [];
  for await (const answer of hubbleClient(address, null).getFlows(request)) answers.push(answer);
  return answers;
}

const ports = (answers: readonly GetFlowsResponse[]): readonly number[] =>
  answers.map(({ responseTypes: { case: kind, value } }) => {
    const protocol = kind === 'flow' ? value.l4?.protocol : undefined;
    return protocol?.case === 'TCP' ? protocol.value.sourcePort : -1;
  });

const events = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => flowEvent({ sport: from + index, timeNs: BigInt(from + index) * 1_000_000_000n }));

describe('GetFlows', () => {
  it('gives the newest, the oldest, or those of a time, in the order in which they happened', async () => {
    await using server = await startFlowServer();
    server.events.push(...events(1, 7));
    server.service.drain();
    const at = (second: number) => ({ seconds: BigInt(Date.UTC(2026, 0, 2, 3, 4, 4) / 1000 + second) });
    expect(ports(await ask(server.address, { number: 2n }))).toEqual([5, 6]);
    expect(ports(await ask(server.address, { number: 2n, first: true }))).toEqual([1, 2]);
    expect(ports(await ask(server.address, { number: (1n << 64n) - 1n }))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(ports(await ask(server.address, { since: at(3), until: at(5) }))).toEqual([3, 4, 5]);
    expect(ports(await ask(server.address, { since: at(3), number: 1n }))).toEqual([3]);
    expect(ports(await ask(server.address, { number: 1n, whitelist: [{ sourcePort: ['1', '2'] }] }))).toEqual([2]);
  });

  it('follows, from now on or with the newest before, and says at once that it listens', async () => {
    await using server = await startFlowServer();
    server.events.push(...events(1, 4));
    server.service.drain();
    const abort = new AbortController();
    const seen: GetFlowsResponse[] = [];
    let heard: () => void = () => {};
    const listening = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const stream = (async () => {
      const request = { follow: true, number: 1n, blacklist: [{ sourcePort: ['5'] }] };
      for await (const answer of hubbleClient(server.address, null).getFlows(request, { signal: abort.signal, onHeader: () => heard() })) {
        if (seen.push(answer) === 3) abort.abort();
      }
    })();
    await listening;
    server.events.push(...events(4, 7));
    await expect(stream).rejects.toThrow();
    expect(ports(seen)).toEqual([3, 4, 6]);
  });

  it('sends headers before there is a flow', async () => {
    await using server = await startFlowServer({ tcp: { host: '127.0.0.1', port: 0 } });
    const session = connectHttp2(`http://${server.service.tcpAddress}`);
    try {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/observer.Observer/GetFlows',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      // a request with `follow`: field 3, true
      stream.end(Buffer.from([0, 0, 0, 0, 2, 0x18, 0x01]));
      const headers = await new Promise((resolve) => stream.once('response', resolve));
      expect(headers).toMatchObject({ ':status': 200, 'content-type': 'application/grpc' });
      stream.close();
    } finally {
      session.destroy();
    }
  });

  it('tells a reader how much it missed, and the rest comes in order', async () => {
    await using server = await startFlowServer({ capacity: 8 });
    const abort = new AbortController();
    const results: GetFlowsResponse[] = [];
    let first: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      first = resolve;
    });
    const stream = (async () => {
      for await (const answer of hubbleClient(server.address, null).getFlows({ follow: true, number: 1n }, { signal: abort.signal })) {
        results.push(answer);
        first();
        if (ports([answer])[0] === 59) abort.abort();
      }
    })().catch(() => undefined);
    server.events.push(...events(1, 2));
    await begun;
    // All of them at once: the reader gets its turn when most are gone.
    server.events.push(...events(2, 60));
    await stream;
    expect(ports(results).filter((port) => port > 0)).toEqual([1, 52, 53, 54, 55, 56, 57, 58, 59]);
  });

  it('reports what the kernel could not write, exactly', async () => {
    await using server = await startFlowServer();
    server.events.push(...events(1, 3));
    server.events.lose(1234);
    await expect.poll(async () => (await ask(server.address, { number: 5n })).length, { timeout: 3000 }).toBe(3);
    const [, , lost] = await ask(server.address, { number: 5n });
    expect(lost?.responseTypes).toMatchObject({ case: 'lostEvents', value: { source: 1, numEventsLost: 1234n } });
    expect(server.service.totals()).toEqual({ emitted: 1236, delivered: 2, lost: 1234, suppressed: 0 });
  });

  it('sends only the fields asked for, and what the summary of a verdict needs', async () => {
    await using server = await startFlowServer();
    playWorld(server);
    const strict = await ask(server.address, { number: 1n, first: true, fieldMask: { paths: ['source.pod_name', 'uuid'] } });
    const [flow] = strict.map(({ responseTypes }) => (responseTypes.case === 'flow' ? responseTypes.value : null));
    expect(flow).toMatchObject({ source: { podName: 'sleep-7d-x', namespace: '' }, verdict: 0, nodeName: '', egressDeniedBy: [] });
    expect(flow?.uuid).not.toBe('');
    const shown = await ask(server.address, { number: 1n, first: true, fieldMask: { paths: ['Summary'] } });
    expect(shown[0]?.responseTypes).toMatchObject({
      value: { trafficDirection: 2, policyMatchType: 2, egressDeniedBy: [{ name: 'deny-db' }] },
    });
  });

  it.each([
    [{ first: true, follow: true }, /first and follow/],
    [{ whitelist: [{ sourceIp: ['x'] }] }, /Cannot filter by source_ip/],
    [{ fieldMask: { paths: ['source.nothing'] } }, /Cannot mask fields/],
  ])('refuses %j', async (request, message) => {
    await using server = await startFlowServer();
    await expect(ask(server.address, request)).rejects.toThrow(message);
    await expect(ask(server.address, request)).rejects.toBeInstanceOf(ConnectError);
  });
});

describe('the other services', () => {
  it('tell status, nodes and the namespaces of recent flows', async () => {
    await using server = await startFlowServer();
    playWorld(server);
    const client = hubbleClient(server.address, null);
    expect(await client.serverStatus({})).toMatchObject({ numFlows: 22n, maxFlows: 4095n, seenFlows: 22n, numConnectedNodes: 1 });
    expect((await client.getNodes({})).nodes).toMatchObject([{ name: 'node-a', state: 1, tls: { enabled: false } }]);
    expect((await client.getNamespaces({})).namespaces).toMatchObject([{ namespace: 'default' }, { namespace: 'sample' }]);
  });

  it('say that hubble.server.Observer is well, and that others are not known', async () => {
    await using server = await startFlowServer({ tcp: { host: '127.0.0.1', port: 0 } });
    const health = createClient(Health, createGrpcTransport({ baseUrl: `http://${server.service.tcpAddress}` }));
    expect(await health.check({ service: 'hubble.server.Observer' })).toMatchObject({ status: 1 });
    await expect(health.check({ service: 'x' })).rejects.toThrow(/not known/);
  });

  it('notify a relay of the servers of the cluster and of changes', async () => {
    let peers = [{ name: 'a', address: '10.0.0.1:4244', tlsServerName: null }];
    let changed: () => void = () => {};
    const source = {
      current: () => peers,
      subscribe: (callback: () => void) => {
        changed = callback;
        return () => {};
      },
    };
    await using server = await startFlowServer({ tcp: { host: '127.0.0.1', port: 0 }, peers: source });
    const client = createClient(Peer, createGrpcTransport({ baseUrl: `http://${server.service.tcpAddress}` }));
    const abort = new AbortController();
    const seen: string[] = [];
    await (async () => {
      for await (const { name, type } of client.notify({}, { signal: abort.signal })) {
        seen.push(`${type} ${name}`);
        if (seen.length === 1) {
          peers = [{ name: 'b', address: '10.0.0.2:4244', tlsServerName: null }];
          changed();
        }
        if (seen.length === 3) abort.abort();
      }
    })().catch(() => undefined);
    expect(seen).toEqual(['1 a', '2 a', '1 b']);
  });
});

describe('openFlowService()', () => {
  it('keeps its socket to its owner, and leaves nothing', async () => {
    const server = await startFlowServer();
    const path = server.address.slice('unix://'.length);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await server[Symbol.asyncDispose]();
    expect(server.events.disposed).toBe(true);
    await expect(stat(path)).rejects.toThrow(/ENOENT/);
  });

  it('says which address is taken', async () => {
    await using first = await startFlowServer({ tcp: { host: '127.0.0.1', port: 0 } });
    const port = Number(first.service.tcpAddress?.split(':')[1]);
    const second = startFlowServer({ tcp: { host: '127.0.0.1', port } });
    await expect(second).rejects.toThrow(`127.0.0.1:${port}`);
    await expect(second).rejects.toBeInstanceOf(UserError);
  });

  it('lets in only clients with a certificate of the given authority', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-tls-'));
    try {
      const file = (name: string) => join(folder, name);
      const openssl = (...args: readonly string[]) => execFileSync('openssl', [...args], { cwd: folder, stdio: 'ignore' });
      openssl(
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        'key',
        '-out',
        'cert',
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost',
      );
      const tls = { certFile: file('cert'), keyFile: file('key'), clientCaFile: file('cert') };
      await using server = await startFlowServer({ tcp: { host: '127.0.0.1', port: 0 }, tls });
      const [cert, key] = await Promise.all([readFile(file('cert')), readFile(file('key'))]);
      const address = `tls://${server.service.tcpAddress}`;
      const known = hubbleClient(address, { ca: cert, cert, key, serverName: 'localhost' });
      expect((await known.getNodes({})).nodes).toMatchObject([{ tls: { enabled: true } }]);
      await expect(hubbleClient(address, { ca: cert, serverName: 'localhost' }).serverStatus({})).rejects.toThrow();
      await expect(hubbleClient(address, { cert, key, serverName: 'localhost' }).serverStatus({})).rejects.toThrow();
      const missing = startFlowServer({ tcp: { host: '127.0.0.1', port: 0 }, tls: { ...tls, certFile: file('none') } });
      await expect(missing).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
