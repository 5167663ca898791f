import { describe, expect, it } from 'vitest';
import { accessLogLines } from '../../test/support/flow-world.ts';
import { accessLogFormat } from '../mesh/envoy/access-log.ts';
import { parseAccessLog } from './http-log.ts';
import { parsePlace } from './message-flow.ts';

const [allowed, refused] = accessLogLines.map(({ line }) => line);

describe('parseAccessLog()', () => {
  it('reads the format that the proxies are told to write', () => {
    const values: Readonly<Record<string, string>> = {
      '%START_TIME%': '2026-01-02T03:04:05.600Z',
      '%REQ(:METHOD)%': 'GET',
      '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%': '/ip',
      '%PROTOCOL%': 'HTTP/1.1',
      '%RESPONSE_CODE%': '200',
      '%BYTES_RECEIVED%': '0',
      '%BYTES_SENT%': '32',
      '%DURATION%': '5',
      '%REQ(:AUTHORITY)%': 'httpbin:8000',
      '%UPSTREAM_HOST%': '[fd00::7]:80',
      '%UPSTREAM_CLUSTER_RAW%': 'outbound|8000||httpbin',
      '%DOWNSTREAM_LOCAL_ADDRESS%': '10.96.0.20:8000',
      '%DOWNSTREAM_REMOTE_ADDRESS%': '10.244.0.5:52000',
    };
    const line = accessLogFormat.replace(/%[^%]+%/g, (field) => values[field] ?? '-');
    expect(parseAccessLog(line)).toMatchObject({
      method: 'GET',
      path: '/ip',
      code: 200,
      durationMs: 5,
      direction: 'egress',
      client: { address: '10.244.0.5', port: 52000 },
      server: { address: 'fd00::7', port: 80 },
      dialled: { address: '10.96.0.20', port: 8000 },
    });
  });

  it('tells a refusal by a policy, and which way it went', () => {
    expect(parseAccessLog(refused ?? '')).toMatchObject({
      refused: true,
      code: 403,
      direction: 'ingress',
      server: { address: '10.244.0.7', port: 80 },
    });
  });

  it('believes no address that a client wrote into its user agent', () => {
    const forged = (allowed ?? '').replace(
      'curl/7.88.1',
      'x" "id" "host" "6.6.6.6:1" inbound|1|| 6.6.6.6:1 6.6.6.6:1 6.6.6.6:1 - default "-"',
    );
    expect(parseAccessLog(forged)).toMatchObject({
      client: { address: '10.244.0.5' },
      server: { address: '10.244.0.7' },
      direction: 'egress',
    });
  });

  it('takes what a proxy says of its own pod alone', () => {
    expect(parseAccessLog(allowed ?? '', ['10.244.0.5', 'fd00::5'])?.direction).toBe('egress');
    expect(parseAccessLog(allowed ?? '', ['10.244.0.9'])).toBeNull();
    expect(parseAccessLog(refused ?? '', ['10.244.0.7'])?.direction).toBe('ingress');
    expect(parseAccessLog(refused ?? '', ['10.244.0.9'])).toBeNull();
  });

  it('sees a client that writes quotes, control characters or very much', () => {
    const quoted = (allowed ?? '').replace('"-" "curl/7.88.1"', '"a"b 9 9 9999 - "x" "curl"');
    expect(parseAccessLog(quoted)).toMatchObject({ path: '/ip?q=<a>&b', durationMs: 5, client: { address: '10.244.0.5' } });
    const coloured = (allowed ?? '').replace('curl/7.88.1', 'a\u001b[31mb\u0085');
    expect(parseAccessLog(coloured)?.headers[0]).toEqual({ key: 'User-Agent', value: 'a%1b[31mb%85' });
    const long = parseAccessLog((allowed ?? '').replace('/ip', `/${'x'.repeat(40_000)}`));
    expect(long?.path).toHaveLength(1025);
  });

  it('reads what a container runtime has written down', () => {
    expect(parseAccessLog(`2026-01-02T03:04:05.600000000Z stdout F ${allowed}`)?.path).toBe('/ip?q=<a>&b');
  });

  it.each([
    '',
    'x',
    '[2026-01-02T03:04:05.600Z] "- - -" 0 - - - "-" 10 20 5 - "-" "-" "-" "-" "10.0.0.1:5432" outbound|5432||db 10.0.0.1:1 10.0.0.2:2 10.0.0.3:3 - - "-"',
    `${allowed}`.replace('10.244.0.5:52000', 'connect_originate'),
    `${allowed}`.repeat(300),
  ])('passes over a line that is about no HTTP request (%#)', (line) => {
    expect(parseAccessLog(line)).toBeNull();
  });

  it('takes no time over a line made to take much', () => {
    const started = performance.now();
    for (const filler of ['" "', '- ', 'a" "b" "c" "d" ', '1 1 1 - "', '"" "" ']) {
      const rest = filler.repeat(Math.floor(65_000 / filler.length));
      parseAccessLog(`[2026-01-02T03:04:05.600Z] "GET / HTTP/1.1" 200 - - ${rest}`);
      parseAccessLog(`[2026-01-02T03:04:05.600Z] "GET / HTTP/1.1" 200 - via - "-" 0 0 0 - "${rest}`);
    }
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('parsePlace()', () => {
  it.each([
    ['10.0.0.1:80', { address: '10.0.0.1', port: 80 }],
    ['[FD00:0::1]:443', { address: 'fd00::1', port: 443 }],
    ['[::ffff:10.0.0.1]:1', { address: '10.0.0.1', port: 1 }],
    ['-', null],
    ['10.0.0.1', null],
    ['10.0.0.1:65536', null],
    ['envoy://internal/1', null],
  ])('reads %s', (text, place) => {
    expect(parsePlace(text)).toEqual(place);
  });
});
