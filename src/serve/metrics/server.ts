import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { UserError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Metrics } from './metrics.ts';

export interface MetricsServer {
  /** `127.0.0.1:9965` */
  readonly address: string;
  close(): Promise<void>;
}

/** Serves GET /metrics in plain HTTP. Port 0: any free one. Throws UserError FLOW_LISTEN. */
export async function serveMetrics(options: {
  readonly metrics: Metrics;
  readonly host: string;
  readonly port: number;
  readonly log: Logger;
}): Promise<MetricsServer> {
  const { metrics, host, port, log } = options;
  const server = createServer((request, response) => {
    answer(metrics, request, response).catch((error: unknown) => {
      log.error({ err: error }, 'a scrape of the metrics failed');
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new UserError('FLOW_LISTEN', `Cannot serve metrics because the address cannot be listened on: ${host}:${port}: ${cause.message}`, {
          cure: 'Stop what listens there, or choose another port.',
          cause,
        }),
      ),
    );
    server.listen({ host, port }, resolve);
  });
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(metrics: Metrics, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
    response.writeHead(404, { 'content-type': 'text/plain' });
    response.end('the metrics are at /metrics\n');
    return;
  }
  const { text, contentType } = await metrics.scrape();
  response.writeHead(200, { 'content-type': contentType });
  response.end(text);
}
