import { describe, expect, it } from 'vitest';
import { portProtocol } from './protocol.ts';

describe('portProtocol()', () => {
  it.each([
    ['http', 'http'],
    ['http-web', 'http'],
    ['HTTP', 'http'],
    ['grpc-web', 'http'],
    ['grpc-web-a', 'http'],
    ['http2', 'http2'],
    ['http2-api', 'http2'],
    ['grpc', 'http2'],
    ['grpc-api', 'http2'],
    ['grpc-webby', 'http2'],
    ['https', 'tcp'],
    ['tls-x', 'tcp'],
    ['tcp', 'tcp'],
    ['mongo', 'tcp'],
    ['mysql', 'tcp'],
    ['postgres', 'tcp'],
    ['redis-cache', 'tcp'],
    ['httpfoo', 'auto'],
    ['web', 'auto'],
    ['constructor', 'auto'],
    [null, 'auto'],
    ['', 'auto'],
  ] as const)('reads the name %s as %s', (name, protocol) => {
    expect(portProtocol({ name })).toBe(protocol);
  });

  it.each([
    ['tcp', 'http', 'http'],
    ['http', 'kubernetes.io/h2c', 'http2'],
    ['http', 'kubernetes.io/wss', 'tcp'],
    ['http', 'example.com/own', 'auto'],
    ['http', null, 'http'],
  ] as const)('prefers appProtocol: name %s, appProtocol %s', (name, appProtocol, protocol) => {
    expect(portProtocol({ name, appProtocol })).toBe(protocol);
  });
});
