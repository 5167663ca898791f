import { encode } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import type { NameAnswer } from '../../api/policy-types.ts';
import { NameHold } from './name-hold.ts';

/** An exchange about a name: an alias of edge.example.net, which has the addresses. */
function exchange(name: string, addresses: readonly string[]) {
  const alias = { name, type: 'CNAME', ttl: 60, data: 'edge.example.net' } as const;
  const answers = [alias, ...addresses.map((data) => ({ name: 'edge.example.net', type: 'A', ttl: 30, data }) as const)];
  return {
    message: encode({ type: 'query', id: 1, questions: [{ name, type: 'A' }] }),
    response: encode({ type: 'response', id: 1, answers }),
  };
}

function hold() {
  const told: NameAnswer[] = [];
  const ends: (() => void)[] = [];
  const learn = (answer: NameAnswer): Promise<void> => {
    told.push(answer);
    return new Promise((resolve) => ends.push(resolve));
  };
  return { told, ends, hold: new NameHold('cluster.local', learn) };
}

describe('NameHold', () => {
  it('before() has the name learned that was asked for, with the addresses of what it is an alias of', async () => {
    const { hold: one, told, ends } = hold();
    const wait = one.before(exchange('WWW.Example.com', ['203.0.113.1', '203.0.113.2']));
    expect(told).toEqual([{ name: 'www.example.com', addresses: ['203.0.113.1', '203.0.113.2'], ttl: 30 }]);
    ends[0]?.();
    await wait;
  });

  it('before() asks once for all who ask the same at one time, and again afterwards', async () => {
    const { hold: one, told, ends } = hold();
    const asked = exchange('www.example.com', ['203.0.113.1']);
    const waits = Array.from({ length: 100 }, () => one.before(asked));
    expect(told).toHaveLength(1);
    ends[0]?.();
    await Promise.all(waits);
    void one.before(asked);
    expect(told).toHaveLength(2);
  });

  it.each([
    ['names of the cluster', exchange('httpbin.demo.svc.cluster.local', ['10.96.1.1'])],
    ['answers without addresses', exchange('www.example.com', [])],
    ['messages that cannot be read', { message: Buffer.alloc(3), response: Buffer.alloc(0) }],
  ])('before() waits for nothing for %s', (_what, asked) => {
    const { hold: one, told } = hold();
    expect(one.before(asked)).toBe(null);
    expect(told).toEqual([]);
  });
});
