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

  it.each([
    '',
    'x',
    '[2026-01-02T03:04:05.600Z] "- - -" 0 - - - "-" 10 20 5 - "-" "-" "-" "-" "10.0.0.1:5432" outbound|5432||db 10.0.0.1:1 10.0.0.2:2 10.0.0.3:3 - - "-"',
    `${allowed}`.replace('10.244.0.5:52000', 'connect_originate'),
    `${allowed}`.repeat(200),
  ])('passes over a line that is about no HTTP request (%#)', (line) => {
    expect(parseAccessLog(line)).toBeNull();
  });

  it('takes no time over a line made to take much', () => {
    const started = performance.now();
    for (const filler of ['" "', '- ', 'a" "b" "c" "d" '])
      parseAccessLog(`[2026-01-02T03:04:05.600Z] "GET / HTTP/1.1" 200 - - ${filler.repeat(4000)}`);
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
