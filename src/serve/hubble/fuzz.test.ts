import { connect } from 'node:http2';
import { create, ScalarType } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FlowServer } from '../../../test/support/flow-server.ts';
import { playWorld, startFlowServer } from '../../../test/support/flow-server.ts';
import { MillraceError } from '../../base/errors.ts';
import { compileFilters } from '../../flow/filter/compile.ts';
import { parseAccessLog } from '../../flow/http-log.ts';
import { hubbleClient } from './client.ts';
import { FlowFilterSchema } from './gen/flow/flow_pb.js';

let server: FlowServer;
beforeAll(async () => {
  server = await startFlowServer({ tcp: { host: '127.0.0.1', port: 0 } });
  playWorld(server);
});
afterAll(() => server[Symbol.asyncDispose]());

const methods = ['GetFlows', 'ServerStatus', 'GetNodes', 'GetNamespaces', 'GetAgentEvents', 'Nothing'];

/** Sends bytes as the body of a call and waits for whatever comes of it. */
async function call(method: string, body: Uint8Array, type: string): Promise<void> {
  const session = connect(`http://${server.service.tcpAddress}`);
  session.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    const stream = session.request({ ':method': 'POST', ':path': `/observer.Observer/${method}`, 'content-type': type, te: 'trailers' });
    for (const event of ['close', 'error', 'end'] as const) stream.once(event, () => resolve());
    stream.resume();
    stream.end(body);
    setTimeout(resolve, 250);
  });
  session.destroy();
}

describe('the Hubble API', () => {
  it('survives any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...methods),
        fc.uint8Array({ maxLength: 64 }),
        fc.boolean(),
        fc.constantFrom('application/grpc', 'application/grpc+proto', 'text/plain'),
        async (method, bytes, framed, type) => {
          const frame = framed ? Buffer.concat([Buffer.from([0, 0, 0, 0, bytes.length]), bytes]) : bytes;
          await call(method, frame, type);
        },
      ),
      { numRuns: 120 },
    );
    expect(await hubbleClient(server.address, null).serverStatus({})).toMatchObject({ numFlows: 22n });
  }, 60_000);

  it('answers or refuses any filter', async () => {
    const text = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.stringMatching(/^[-a-z0-9*./:!=,() ]{0,12}$/),
      fc.constantFrom('10.0.0.0/8', 'a=b', '5+', '(a)', 'x in (y)', '/', 'default/'),
    );
    const texts = fc.array(text, { maxLength: 3 });
    const numbers = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 3 });
    const values = FlowFilterSchema.fields.flatMap((field) => {
      if (field.fieldKind !== 'list') return [];
      const arbitrary: fc.Arbitrary<unknown> | null =
        field.listKind === 'enum' || (field.listKind === 'scalar' && field.scalar === ScalarType.UINT32)
          ? numbers
          : field.listKind === 'scalar' && field.scalar === ScalarType.STRING
            ? texts
            : null;
      return arbitrary === null ? [] : [arbitrary.map((value) => [field.localName, value] as const)];
    });
    const init = fc.array(fc.oneof(...values), { maxLength: 2 }).map((entries) => Object.fromEntries(entries));
    let accepted = 0;
    const client = hubbleClient(server.address, null);
    await fc.assert(
      fc.asyncProperty(init, fc.boolean(), async (fields, deny) => {
        const filter = create(FlowFilterSchema, fields);
        let valid = true;
        try {
          compileFilters([filter], []);
          accepted += 1;
        } catch (error) {
          expect(error).toBeInstanceOf(MillraceError);
          valid = false;
        }
        const run = async () => {
          for await (const _ of client.getFlows({ number: 5n, [deny ? 'blacklist' : 'whitelist']: [filter] }));
        };
        if (valid) await run();
        else await expect(run()).rejects.toThrow(/invalid_argument/);
      }),
      { numRuns: 300 },
    );
    expect(accepted).toBeGreaterThan(10);
  }, 60_000);

  it('survives any line of an access log', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom('"GET / HTTP/1.1"', '[x]', '"-"', '10.0.0.1:80', '200')), { maxLength: 40 }),
        (words) => {
          const exchange = parseAccessLog(words.join(' '));
          expect(exchange === null || exchange.code <= 999).toBe(true);
        },
      ),
    );
  });
});
