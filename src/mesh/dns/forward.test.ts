import { decode, encode } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { forwardQuery } from './forward.ts';
import { reply, scriptedUpstream, truncated } from './testdata/scripted-upstream.ts';

const query = encode({ type: 'query', id: 0x1234, flags: 0x0100, questions: [{ name: 'eXample.com', type: 'A' }] });
const fast = { timeoutMs: 300 };
/** Port 1 of loopback: nothing listens there, and the kernel says so at once. */
const nobody = { address: '127.0.0.1', port: 1 };

async function addressFrom(
  ...[upstreams, options]: [Parameters<typeof forwardQuery>[1], Parameters<typeof forwardQuery>[2]?]
): Promise<unknown> {
  const result = await forwardQuery(query, upstreams, options ?? fast);
  if (result.kind === 'failed') return result.reason;
  const { id, answers } = decode(result.message);
  const [answer] = answers ?? [];
  return { id, data: answer !== undefined && 'data' in answer ? answer.data : `code ${result.message.readUInt16BE(2) & 0xf}` };
}

describe('forwardQuery()', () => {
  it('forwardQuery() returns the answer under the id of the client', async () => {
    const ids: number[] = [];
    await using upstream = await scriptedUpstream((asked) => {
      ids.push(asked.readUInt16BE(0));
      return [reply(asked, { address: '192.0.2.1' })];
    });
    for (let round = 0; round < 4; round++) expect(await addressFrom([upstream])).toEqual({ id: 0x1234, data: '192.0.2.1' });
    expect(new Set(ids).size).toBeGreaterThan(1);
  });

  it('forwardQuery() passes NXDOMAIN through', async () => {
    await using upstream = await scriptedUpstream((asked) => [reply(asked, { rcode: 3 })]);
    expect(await addressFrom([upstream])).toEqual({ id: 0x1234, data: 'code 3' });
  });

  it('forwardQuery() fails with the reason when the server does not answer in time', async () => {
    await using upstream = await scriptedUpstream(() => []);
    expect(await addressFrom([upstream])).toBe(`127.0.0.1 port ${upstream.port}: no answer within 300 ms`);
  });

  it('forwardQuery() fails at once when nothing listens', async () => {
    const start = performance.now();
    expect(await addressFrom([nobody], { timeoutMs: 20_000 })).toMatch(/^127\.0\.0\.1 port 1: .*ECONNREFUSED/);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('forwardQuery() asks the next server when one does not answer, refuses or fails', async () => {
    await using silent = await scriptedUpstream(() => []);
    await using failing = await scriptedUpstream((asked) => [reply(asked, { rcode: 2 })]);
    await using refusing = await scriptedUpstream((asked) => [reply(asked, { rcode: 5 })]);
    await using good = await scriptedUpstream((asked) => [reply(asked, { address: '192.0.2.2' })]);
    expect(await addressFrom([nobody, silent, failing, refusing, good])).toEqual({ id: 0x1234, data: '192.0.2.2' });
    expect(await addressFrom([failing, refusing])).toEqual({ id: 0x1234, data: 'code 5' });
  });

  it('forwardQuery() asks again over TCP when the answer is truncated', async () => {
    await using upstream = await scriptedUpstream((asked, transport) => {
      const whole = reply(asked, { address: '192.0.2.3' });
      return [transport === 'udp' ? truncated(whole) : whole];
    });
    expect(await addressFrom([upstream])).toEqual({ id: 0x1234, data: '192.0.2.3' });
    expect(upstream.asked).toEqual(['udp', 'tcp']);
  });

  it('forwardQuery() passes over what does not repeat id and question', async () => {
    await using upstream = await scriptedUpstream((asked) => {
      const forgedId = reply(asked, { address: '192.0.2.66' });
      forgedId.writeUInt16BE(forgedId.readUInt16BE(0) ^ 1, 0);
      const other = Buffer.from(asked);
      other.write('x', 13);
      const notResponse = Buffer.from(asked);
      return [
        Buffer.alloc(0),
        Buffer.from([1, 2, 3]),
        forgedId,
        reply(other, { address: '192.0.2.66' }),
        notResponse,
        reply(asked, { address: '192.0.2.4' }),
      ];
    });
    expect(await addressFrom([upstream])).toEqual({ id: 0x1234, data: '192.0.2.4' });
  });

  it('forwardQuery() takes an answer that changed the case of letters', async () => {
    await using upstream = await scriptedUpstream((asked) => {
      const lower = Buffer.from(asked);
      lower.write('example', 13);
      return [reply(lower, { address: '192.0.2.5' })];
    });
    expect(await addressFrom([upstream])).toEqual({ id: 0x1234, data: '192.0.2.5' });
  });

  it('forwardQuery() rejects with the reason when its signal fires', async () => {
    await using upstream = await scriptedUpstream(() => []);
    const controller = new AbortController();
    const pending = forwardQuery(query, [upstream], { timeoutMs: 20_000, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 20);
    await expect(pending).rejects.toThrow('enough');
  });
});
