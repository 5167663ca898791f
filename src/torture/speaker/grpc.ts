import { createServer } from 'node:http2';
import { connect } from 'node:net';
import { create, createFileRegistry } from '@bufbuild/protobuf';
import type { GenService } from '@bufbuild/protobuf/codegenv2';
import type { BytesValue } from '@bufbuild/protobuf/wkt';
import {
  BytesValueSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { connectNodeAdapter, createGrpcTransport } from '@connectrpc/connect-node';
import type { Protocol } from './types.ts';
import { listenOn } from './types.ts';

const messages = 200;

/** gRPC with a stream each way: what is sent comes back, message by message. */
export const grpc: Protocol = {
  serve: (address) => {
    const handler = connectNodeAdapter({
      routes: (router) =>
        router.service(echoService(), {
          echo: (requests) => requests,
        }),
    });
    return listenOn(createServer(handler), address);
  },
  speak: async (address, port, random) => {
    // Node writes an IPv6 address into :authority without its brackets, which the server refuses: hence a name
    const nodeOptions = { createConnection: () => connect({ host: address, port }) };
    const client = createClient(echoService(), createGrpcTransport({ baseUrl: `http://torture:${port}`, nodeOptions }));
    const sent = Array.from({ length: messages }, () => random.bytes(random.between(0, 20_000)));
    const outgoing = async function* (): AsyncGenerator<BytesValue> {
      for (const value of sent) {
        yield create(BytesValueSchema, { value: new Uint8Array(value) });
        if (value.length % 7 === 0) await new Promise(setImmediate);
      }
    };
    let count = 0;
    for await (const answer of client.echo(outgoing())) {
      if (!sent[count]?.equals(answer.value)) throw new Error(`message ${count} came back as another one`);
      count += 1;
    }
    if (count !== messages) throw new Error(`${count} messages of ${messages} came back`);
    return [`${messages} messages each way`];
  },
};

type Echo = GenService<{ echo: { methodKind: 'bidi_streaming'; input: typeof BytesValueSchema; output: typeof BytesValueSchema } }>;

/** `service Echo { rpc Echo(stream google.protobuf.BytesValue) returns (stream google.protobuf.BytesValue); }` */
function echoService(): Echo {
  const file = create(FileDescriptorProtoSchema, {
    name: 'torture.proto',
    package: 'torture',
    syntax: 'proto3',
    dependency: ['google/protobuf/wrappers.proto'],
    service: [
      {
        name: 'Echo',
        method: [
          {
            name: 'Echo',
            inputType: '.google.protobuf.BytesValue',
            outputType: '.google.protobuf.BytesValue',
            clientStreaming: true,
            serverStreaming: true,
          },
        ],
      },
    ],
  });
  const files = create(FileDescriptorSetSchema, { file: [file_google_protobuf_wrappers.proto, file] });
  const service = createFileRegistry(files).getService('torture.Echo');
  if (service === undefined) throw new Error('the description of the service is not whole');
  // what the description above says, which the compiler cannot read
  return service as Echo;
}
