import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pair } from '../../../test/support/mesh-pair.ts';
import { base, bind, byName, callsItself, say, seen, skLookup, startPair } from '../../../test/support/mesh-pair.ts';
import { proxyUser } from '../../../test/support/mesh-pods.ts';
import { peerAuthentication } from '../../../test/support/mesh-snapshot.ts';
import type { ProxyFiles } from './files.ts';

describe('a proxy at the addresses of an application whose bind was rewritten', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair(bind);
  });
  afterAll(async () => {
    await pair.close();
  });

  it('carries HTTP and TCP to loopback, for both families', async () => {
    const answer = await seen(pair.client, 'http://server/', ...byName);
    expect(answer.remote).toBe('127.0.0.1');
    expect(answer.headers['x-forwarded-client-cert']).toContain('sa/client');
    expect(await say(pair.client, '10.96.0.10', 5432, 'select 1')).toMatch(/127\.0\.0/);
    const refused = await pair.client.run(['curl', '-s', '-g', '-m', '3', 'http://[fd00:9::3]:8080/'], { user: proxyUser });
    expect([52, 56]).toContain(refused.code);
    expect(await pair.server.logLine(/filter_chain_not_found/)).toContain('[fd00:9::3]:8080');
  });

  it('carries the calls of a pod to itself', async () => {
    await callsItself(pair.server);
  });

  it('has no way in at the capture port', async () => {
    expect((await pair.client.run(['curl', '-s', '-m', '3', 'http://10.9.0.3:15006/'], { user: proxyUser })).code).not.toBe(0);
  });
});

/**
 * TPROXY gives the proxy what sk_lookup gives it: an accepted socket whose own address is the one that the client dialled, and no translation to ask
 * for. It needs a transparent listener, which is the only difference to the real configuration.
 */
describe('a proxy whose accepted sockets keep the dialled address', () => {
  let pair: Pair;
  beforeAll(async () => {
    const edit = (files: ProxyFiles): ProxyFiles => ({
      ...files,
      'lds.json': (files['lds.json'] ?? '').replace('"name": "virtualInbound",', '"name": "virtualInbound", "transparent": true,'),
    });
    pair = await startPair(skLookup, { edit, user: 0 });
    await pair.server.must('iptables -w -t mangle -A PREROUTING -i eth0 -p tcp -j TPROXY --on-port 15006 --tproxy-mark 1337');
    await pair.server.must('ip rule add fwmark 1337 lookup 133 && ip route add local default dev lo table 133');
  });
  afterAll(async () => {
    await pair.close();
  });

  it('carries HTTP and TCP to the application', async () => {
    const answer = await seen(pair.client, 'http://server/', ...byName);
    expect(answer.remote).toMatch(/^(::ffff:)?127\.0\.0\.6$/);
    expect(answer.headers['x-forwarded-client-cert']).toContain('sa/client');
    expect(await say(pair.client, '10.96.0.10', 5432, 'select 1')).toMatch(/127\.0\.0/);
  });

  it('carries a port that nobody declared, and refuses plaintext where it is STRICT', async () => {
    expect(await say(pair.client, '10.9.0.3', 9999, 'unknown port', proxyUser)).toBe('');
    await pair.apply({ ...base, peerAuthentications: [peerAuthentication('PERMISSIVE')] });
    expect(await say(pair.client, '10.9.0.3', 9999, 'unknown port', proxyUser)).toMatch(/127\.0\.0/);
    await pair.apply(base);
  });
});
