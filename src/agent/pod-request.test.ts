import { describe, expect, it } from 'vitest';
import { UserError } from '../base/errors.ts';
import { parsePodRequest } from './pod-request.ts';
import { parseServices } from './service-request.ts';

const whole = {
  name: 'test/pod',
  netns: '/run/netns/pod',
  labels: { app: 'sleep' },
  annotations: {},
  uidMap: null,
  meshed: true,
  backend: 'sk_lookup',
};

describe('parsePodRequest()', () => {
  it('returns the request when it is whole', () => {
    expect(parsePodRequest(whole)).toEqual(whole);
  });

  it.each<[what: string, body: unknown, field: string]>([
    ['there is no body', undefined, 'body'],
    ['the body is a list', [whole], 'body'],
    ['the name is empty', { ...whole, name: '' }, 'name'],
    ['the name is longer than a name can be', { ...whole, name: 'a'.repeat(254) }, 'name'],
    ['the path is relative', { ...whole, netns: 'pod' }, 'netns'],
    ['an annotation is a number', { ...whole, annotations: { port: 80 } }, 'annotations.port'],
    ['the back end is unknown', { ...whole, backend: 'nftables' }, 'backend'],
    ['a field is missing', { ...whole, meshed: undefined }, 'meshed'],
    ['a field is unknown', { ...whole, mesh: true }, 'mesh'],
  ])('fails with USAGE naming the field when %s', (_what, body, field) => {
    const failing = () => parsePodRequest(body);
    expect(failing).toThrow(UserError);
    expect(failing).toThrow(expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(field) }));
  });
});

describe('parseServices()', () => {
  const service = { address: '10.96.0.1', port: 80, protocol: 'TCP', backends: [{ address: 'fd00::1', port: 8080 }] };

  it('returns the list when it is right, also an empty one', () => {
    expect(parseServices([service])).toEqual([{ ...service, affinitySeconds: 0 }]);
    expect(parseServices([{ ...service, affinitySeconds: 60 }])).toEqual([{ ...service, affinitySeconds: 60 }]);
    expect(parseServices([])).toEqual([]);
  });

  it.each<[what: string, body: unknown, field: string]>([
    ['there is no body', undefined, 'body'],
    ['the body is an object', service, 'body'],
    ['the address is a name', [{ ...service, address: 'httpbin' }], '0.address'],
    ['the port is 0', [{ ...service, port: 0 }], '0.port'],
    ['the protocol is UDP', [{ ...service, protocol: 'UDP' }], '0.protocol'],
    ['a backend has no port', [{ ...service, backends: [{ address: '10.0.0.1' }] }], '0.backends.0.port'],
  ])('fails with USAGE naming the field when %s', (_what, body, field) => {
    expect(() => parseServices(body)).toThrow(expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(field) }));
  });
});
