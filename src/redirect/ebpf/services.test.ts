import { describe, expect, it } from 'vitest';
import type { ServiceEntry } from '../../api/types.ts';
import { formatIp } from '../../pods/address.ts';
import { compileServices } from './services.ts';

const shown = (bytes: Uint8Array): string => formatIp({ family: 6, bytes });

const web: ServiceEntry = {
  address: '10.96.0.10',
  port: 80,
  protocol: 'TCP',
  backends: [
    { address: '10.9.0.1', port: 8080 },
    { address: '10.9.0.2', port: 8081 },
  ],
};
const six: ServiceEntry = { address: 'fd00:96::10', port: 443, protocol: 'TCP', backends: [{ address: 'fd00:9::1', port: 8443 }] };
const empty: ServiceEntry = { address: '10.96.0.11', port: 80, protocol: 'TCP', backends: [] };

describe('compileServices()', () => {
  it('gives every service a generation of its own and numbers its backends from 0', () => {
    const { services, backends, nextGeneration } = compileServices([web, six, empty], 7);
    expect(services.map(([key, value]) => [shown(key.addr), key.port, key.protocol, value.generation, value.count])).toEqual([
      ['::ffff:10.96.0.10', 80, 6, 7, 2],
      ['fd00:96::10', 443, 6, 8, 1],
      ['::ffff:10.96.0.11', 80, 6, 9, 0],
    ]);
    expect(backends.map(([key, value]) => [key.generation, key.index, shown(value.addr), value.port])).toEqual([
      [7, 0, '::ffff:10.9.0.1', 8080],
      [7, 1, '::ffff:10.9.0.2', 8081],
      [8, 0, 'fd00:9::1', 8443],
    ]);
    expect(nextGeneration).toBe(10);
  });

  it('is empty when there are no services', () => {
    expect(compileServices([], 3)).toEqual({ services: [], backends: [], nextGeneration: 3 });
  });

  it('goes on from 0 when the generations run out of 32 bits', () => {
    const { services, nextGeneration } = compileServices([web, six], 0xffffffff);
    expect(services.map(([, { generation }]) => generation)).toEqual([0xffffffff, 0]);
    expect(nextGeneration).toBe(1);
  });

  it('fails with MESH_INVALID naming the text when an address is none', () => {
    for (const entry of [
      { ...web, address: 'httpbin' },
      { ...web, backends: [{ address: '10.0.0.256', port: 1 }] },
    ]) {
      expect(() => compileServices([entry], 0)).toThrow(
        expect.objectContaining({ code: 'MESH_INVALID', message: expect.stringMatching(/"(httpbin|10\.0\.0\.256)"/) }),
      );
    }
  });
});
