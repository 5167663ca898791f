import { expect, test } from 'vitest';
import { allocateServiceAddresses, labNetwork, PodNumbers, podAddresses } from './addresses.ts';

test('PodNumbers.take() uses a freed number again only after all others', () => {
  const numbers = new PodNumbers();
  const first = numbers.take();
  numbers.release(first);
  const rest = Array.from({ length: 252 }, () => numbers.take());
  expect(rest).not.toContain(first);
  expect(numbers.take()).toBe(first);
});

test('PodNumbers.take() throws LAB_FULL when 253 pods have one', () => {
  const numbers = new PodNumbers();
  for (let count = 0; count < 253; count += 1) numbers.take();
  expect(() => numbers.take()).toThrow(expect.objectContaining({ code: 'LAB_FULL' }));
});

test('podAddresses() gives every number addresses of its own', () => {
  expect(podAddresses(16)).toMatchObject({ ipv4: '10.244.0.16', ipv6: 'fd00:10:244::10', mac: '02:00:0a:f4:00:10', nodeInterface: 'mr16' });
});

test('allocateServiceAddresses() gives the same addresses when the order and the others differ', () => {
  const both = allocateServiceAddresses(
    [
      { key: 'demo/a', clusterIP: null },
      { key: 'demo/b', clusterIP: null },
    ],
    new Map(),
  );
  const alone = allocateServiceAddresses([{ key: 'demo/b', clusterIP: null }], new Map());
  expect(alone.get('demo/b')).toBe(both.get('demo/b'));
  expect(both.get('demo/a')).toMatch(/^10\.96\./);
});

test('allocateServiceAddresses() keeps what a service has when a new one would collide', () => {
  const wanted = allocateServiceAddresses([{ key: 'demo/new', clusterIP: null }], new Map()).get('demo/new') ?? '';
  const held = new Map([['demo/old', wanted]]);
  const result = allocateServiceAddresses(
    [
      { key: 'demo/new', clusterIP: null },
      { key: 'demo/old', clusterIP: null },
    ],
    held,
  );
  expect(result.get('demo/old')).toBe(wanted);
  expect(result.get('demo/new')).not.toBe(wanted);
});

test('allocateServiceAddresses() honours an explicit address and gives a headless service none', () => {
  const result = allocateServiceAddresses(
    [
      { key: 'demo/a', clusterIP: '10.96.7.7' },
      { key: 'demo/b', clusterIP: 'None' },
    ],
    new Map(),
  );
  expect([...result]).toEqual([['demo/a', '10.96.7.7']]);
});

test.each(['10.97.0.1', '192.0.2.1', 'fd00::1', '10.96.1.999', labNetwork.dnsAddress])(
  'allocateServiceAddresses() throws SERVICE_ADDRESS when the address is %s',
  (clusterIP) => {
    expect(() => allocateServiceAddresses([{ key: 'demo/a', clusterIP }], new Map())).toThrow(
      expect.objectContaining({ code: 'SERVICE_ADDRESS' }),
    );
  },
);

test('allocateServiceAddresses() throws SERVICE_ADDRESS and names the owner when two services claim one address', () => {
  const requests = ['demo/a', 'demo/b'].map((key) => ({ key, clusterIP: '10.96.7.7' }));
  expect(() => allocateServiceAddresses(requests, new Map())).toThrow(/demo\/a has it: 10\.96\.7\.7/);
});
