import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { authorizationPolicy } from '../../../test/support/authorization-policy.ts';
import type { Pair } from '../../../test/support/mesh-pair.ts';
import { base, byName, callsItself, client, get, iptables, say, seen, server, startPair } from '../../../test/support/mesh-pair.ts';
import { proxyUser } from '../../../test/support/mesh-pods.ts';
import { peerAuthentication, workload } from '../../../test/support/mesh-snapshot.ts';
import { proxyConfiguration } from './proxy-configuration.ts';

describe('two proxies and iptables', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair(iptables);
  });
  afterEach(async () => {
    await pair.apply(base);
  });
  afterAll(async () => {
    await pair.close();
  });

  it('start without a warning', () => {
    expect(pair.client.output + pair.server.output).not.toMatch(/\[(warning|error|critical)\]/);
  });

  it.each(['server', 'server.demo', 'server.demo.svc', 'server.demo.svc.cluster.local', 'server.demo:80'])(
    'carry HTTP to %s with mutual TLS',
    async (host) => {
      const answer = await seen(pair.client, `http://${host}/`, ...byName);
      expect(answer.remote).toMatch(/^(::ffff:)?127\.0\.0\.6$/);
      expect(answer.headers['x-forwarded-client-cert']).toContain('URI=spiffe://cluster.local/ns/demo/sa/client');
    },
  );

  it.each(['http://10.96.0.10/', 'http://[fd00:96::10]/'])('carry HTTP to %s', async (url) => {
    expect((await seen(pair.client, url)).headers['x-forwarded-client-cert']).toContain('sa/client');
  });

  it('do not let an application forge its identity', async () => {
    const answer = await seen(
      pair.client,
      'http://server/',
      ...byName,
      '-H',
      'x-forwarded-client-cert: URI=spiffe://cluster.local/ns/demo/sa/admin',
    );
    expect(answer.headers['x-forwarded-client-cert']).not.toContain('sa/admin');
  });

  it('log the request with the identity of the peer', async () => {
    await get(pair.client, 'http://server/logged', ...byName);
    const line = await pair.server.logLine(/"GET \/logged HTTP\/1.1" 200/);
    expect(line).toContain('via_upstream');
    expect(line).toContain('inbound|8080||');
    expect(line).toContain('outbound_.80_._.server.demo.svc.cluster.local');
    expect(line.trimEnd()).toMatch(/"spiffe:\/\/cluster.local\/ns\/demo\/sa\/client"$/);
  });

  it('refuse plaintext at a STRICT port', async () => {
    const { code } = await pair.client.run(['curl', '-s', '-m', '3', 'http://10.9.0.3:8080/'], { user: proxyUser });
    expect([52, 56]).toContain(code);
    expect(await pair.server.logLine(/filter_chain_not_found/)).toContain('10.9.0.3:8080');
  });

  it('apply a policy to the connections that are open already, and lift it', async () => {
    expect((await get(pair.client, 'http://server/headers', ...byName)).status).toBe(200);
    const policy = authorizationPolicy(
      'ALLOW',
      [{ from: [{ principals: ['cluster.local/ns/demo/sa/client'] }], to: [{ paths: ['/ip'] }] }],
      {
        selector: { app: 'server' },
      },
    );
    await pair.apply({ ...base, authorizationPolicies: [policy] });
    expect((await get(pair.client, 'http://server/ip', ...byName)).status).toBe(200);
    expect(await get(pair.client, 'http://server/headers', ...byName)).toEqual({ status: 403, text: 'RBAC: access denied' });
    const refused = await pair.server.logLine(/"GET \/headers HTTP\/1.1" 403/);
    expect(refused).toContain('rbac_access_denied_matched_policy[none]');
    expect(refused.trimEnd()).toMatch(/sa\/client" "RBAC: access denied"$/);
    await pair.apply(base);
    expect((await get(pair.client, 'http://server/headers', ...byName)).status).toBe(200);
  });

  it('carry TCP and deny it by policy', async () => {
    expect(await say(pair.client, '10.96.0.10', 5432, 'select 1')).toMatch(/127\.0\.0/);
    const deny = authorizationPolicy('DENY', [{ from: [{ principals: ['cluster.local/ns/demo/sa/client'] }], to: [{ ports: ['5432'] }] }]);
    await pair.apply({ ...base, authorizationPolicies: [deny] });
    expect(await say(pair.client, '10.96.0.10', 5432, 'select 1')).toBe('');
    expect(await pair.server.logLine(/rbac_access_denied_matched_policy\[ns\[demo\]-policy\[policy\]-rule\[0\]\]/)).toContain('sa/client');
    await pair.apply(base);
    expect(await say(pair.client, '10.96.0.10', 5432, 'select 1')).toMatch(/127\.0\.0/);
  });

  it('carry a protocol in which the server speaks first, at a named port at once', async () => {
    const before = performance.now();
    expect(await say(pair.client, '10.96.0.10', 3306, '')).toBe('welcome\n');
    expect(performance.now() - before).toBeLessThan(900);
  });

  it('carry a protocol in which the server speaks first at an unnamed port', async () => {
    expect(await say(pair.client, '10.96.0.10', 3307, '')).toBe('welcome\n');
  });

  it('find HTTP at an unnamed port, at both ends', async () => {
    expect((await seen(pair.client, 'http://10.96.0.10:8081/')).headers['x-forwarded-client-cert']).toContain('sa/client');
    const get_only = authorizationPolicy('ALLOW', [{ to: [{ methods: ['GET'] }] }]);
    await pair.apply({ ...base, authorizationPolicies: [get_only] });
    expect((await get(pair.client, 'http://10.96.0.10:8081/')).status).toBe(200);
    expect((await get(pair.client, 'http://10.96.0.10:8081/', '-X', 'POST')).status).toBe(403);
    await pair.apply(base);
  });

  it.each([9090, 9091])('carry HTTP/2 from end to end at port %i', async (to) => {
    const answer = await seen(pair.client, `http://10.96.0.10:${to}/`, '--http2-prior-knowledge');
    expect(answer.version).toBe('2.0');
    expect(answer.headers['x-forwarded-client-cert']).toContain('sa/client');
  });

  it('cut an open stream that a policy no longer allows', async () => {
    const child = pair.client.start(['bash', '-c', 'exec 3<>/dev/tcp/10.96.0.10/5432; echo hello >&3; cat <&3; echo closed']);
    let received = '';
    child.stdout.on('data', (data: Buffer) => {
      received += data.toString();
    });
    await expect.poll(() => received, { timeout: 5000 }).toContain('hello');
    await pair.apply({ ...base, authorizationPolicies: [authorizationPolicy('DENY', [{ to: [{ ports: ['5432'] }] }])] });
    await expect.poll(() => received, { timeout: 10_000 }).toContain('closed');
  });

  it('carry TCP to the pods of a headless service with mutual TLS', async () => {
    expect(await say(pair.client, '10.9.0.3', 5432, 'select 1')).toMatch(/127\.0\.0/);
    expect(await pair.server.logLine(/outbound_\.5432_\._\.peers/)).toContain('sa/client');
  });

  it('carry the calls of a pod to itself', async () => {
    await callsItself(pair.server);
  });

  it.each([15001, 15006])('end connections to port %i instead of sending them round', async (to) => {
    expect((await pair.client.run(['curl', '-s', '-m', '3', `http://10.9.0.3:${to}/`])).code).not.toBe(0);
    expect((await pair.client.run(['curl', '-s', '-m', '3', `http://10.9.0.3:${to}/`], { user: proxyUser })).code).not.toBe(0);
  });

  it('keep an open stream when a service gets another pod', async () => {
    const child = pair.client.start(['bash', '-c', 'exec 3<>/dev/tcp/10.96.0.10/5432; cat <&3 & cat >&3']);
    let received = '';
    child.stdout.on('data', (data: Buffer) => {
      received += data.toString();
    });
    child.stdin.write('one');
    await expect.poll(() => received, { timeout: 5000 }).toContain('one');
    const second = workload('server-2', { labels: { app: 'server' }, serviceAccount: 'server', addresses: ['10.9.0.99'] });
    await pair.apply({ ...base, workloads: [...base.workloads, second] });
    child.stdin.write('two');
    await expect.poll(() => received, { timeout: 5000 }).toContain('two');
    await pair.apply(base);
    child.kill('SIGKILL');
  });

  it('follow a rotated certificate without a restart', async () => {
    const serial = async () => {
      const { certificateChainPem, privateKeyPem } = await pair.certificate(client);
      const file = join(pair.client.directory, 'own.pem');
      writeFileSync(file, certificateChainPem + privateKeyPem);
      const script = `openssl s_client -connect 10.9.0.3:8080 -cert ${file} -key ${file} -alpn istio </dev/null 2>/dev/null | openssl x509 -noout -serial`;
      return (await pair.client.run(['sh', '-c', script], { user: proxyUser })).stdout.trim();
    };
    const before = await serial();
    expect(before).toMatch(/^serial=/);
    const files = proxyConfiguration(base, server, iptables, { directory: pair.server.configDirectory });
    expect(await pair.server.configure({ ...files, ...(await pair.secrets(server)) })).toEqual(['sds-identity.json']);
    expect(await serial()).not.toBe(before);
    expect((await get(pair.client, 'http://server/', ...byName)).status).toBe(200);
    await pair.apply(base);
  });

  it('change from STRICT to PERMISSIVE and DISABLE and back', async () => {
    const plain = () => pair.client.run(['curl', '-s', '-m', '3', 'http://10.9.0.3:8080/'], { user: proxyUser });
    await pair.apply({ ...base, peerAuthentications: [peerAuthentication('PERMISSIVE')] });
    expect((await plain()).code).toBe(0);
    expect((await seen(pair.client, 'http://server/', ...byName)).headers['x-forwarded-client-cert']).toContain('sa/client');
    expect(await say(pair.client, '10.9.0.3', 9999, 'unknown port', proxyUser)).toMatch(/127\.0\.0/);
    await pair.apply({ ...base, peerAuthentications: [peerAuthentication('DISABLE')] });
    expect((await seen(pair.client, 'http://server/', ...byName)).headers['x-forwarded-client-cert']).toBeUndefined();
    await pair.apply(base);
    expect((await plain()).code).not.toBe(0);
    expect((await get(pair.client, 'http://server/', ...byName)).status).toBe(200);
  });

  it('report a refused update and go on', async () => {
    const files = {
      ...proxyConfiguration(base, server, iptables, { directory: pair.server.configDirectory }),
      ...(await pair.secrets(server)),
    };
    const broken = {
      ...files,
      'lds.json': (files['lds.json'] ?? '').replaceAll('0.0.0.0', 'nonsense').replace(/"version_info": "\w+"/, '"version_info": "broken"'),
    };
    await expect(pair.server.configure(broken)).rejects.toThrow('the proxy refused lds.json');
    expect((await get(pair.client, 'http://server/', ...byName)).status).toBe(200);
    await pair.apply(base);
    expect(await pair.server.status()).toEqual({ kind: 'ready' });
  });
});
