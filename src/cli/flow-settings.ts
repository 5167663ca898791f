import { hostname } from 'node:os';
import { z } from 'zod';
import type { FlowOptions, ListenAddress } from '../agent/flow-options.ts';
import { defaultFlowLimit } from '../agent/flow-options.ts';
import { exitCodes, UserError } from '../base/errors.ts';
import type { TlsFiles } from '../serve/hubble/server.ts';

/** What the command line says of flows; null: nothing. */
export interface FlowCommandLine {
  readonly 'hubble-listen': string | null;
  readonly 'hubble-tls-cert': string | null;
  readonly 'hubble-tls-key': string | null;
  readonly 'hubble-tls-client-ca': string | null;
  readonly 'metrics-listen': string | null;
  readonly aggregation: string | null;
  readonly 'flow-limit': number | null;
  readonly connections: string | null;
}

/** The same in the agent's file. */
export const flowFileKeys = {
  hubbleListen: z.string().optional(),
  hubbleTlsCert: z.string().startsWith('/').optional(),
  hubbleTlsKey: z.string().startsWith('/').optional(),
  hubbleTlsClientCa: z.string().startsWith('/').optional(),
  metricsListen: z.string().optional(),
  aggregation: z.enum(['none', 'low', 'medium']).optional(),
  flowLimit: z.int().min(0).max(10_000_000).optional(),
  connections: z.boolean().optional(),
};

const fileSchema = z.object(flowFileKeys);

/** Both together; the command line wins. Throws UserError USAGE. */
export function flowSettings(options: FlowCommandLine, file: z.infer<typeof fileSchema>, hubbleSocket: string): FlowOptions {
  return {
    hubbleSocket,
    hubbleListen: listenAddress('--hubble-listen', options['hubble-listen'] ?? file.hubbleListen ?? null),
    tls: tlsFiles(
      options['hubble-tls-cert'] ?? file.hubbleTlsCert ?? null,
      options['hubble-tls-key'] ?? file.hubbleTlsKey ?? null,
      options['hubble-tls-client-ca'] ?? file.hubbleTlsClientCa ?? null,
    ),
    metricsListen: listenAddress('--metrics-listen', options['metrics-listen'] ?? file.metricsListen ?? null),
    nodeName: hostname(),
    aggregation: aggregationOf(options.aggregation) ?? file.aggregation ?? 'medium',
    flowLimit: options['flow-limit'] ?? file.flowLimit ?? defaultFlowLimit,
    connections: options.connections === null ? file.connections === true : options.connections === 'on',
  };
}

/** `127.0.0.1:4245`, `[::1]:4245`, `:4245` (every address). Throws UserError USAGE. */
export function listenAddress(option: string, text: string | null): ListenAddress | null {
  if (text === null) return null;
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  if (parts === null || port > 65535) {
    throw new UserError('USAGE', `Cannot listen because ${option} is no address and port: current value ${JSON.stringify(text)}`, {
      cure: 'Write it as 127.0.0.1:4245 or [::1]:4245.',
      exitCode: exitCodes.usage,
    });
  }
  return { host: parts[1] ?? (parts[2] || '::'), port };
}

function tlsFiles(certFile: string | null, keyFile: string | null, clientCaFile: string | null): TlsFiles | null {
  if (certFile === null && keyFile === null && clientCaFile === null) return null;
  if (certFile === null || keyFile === null) {
    throw new UserError(
      'USAGE',
      `Cannot serve flows with TLS because ${certFile === null ? '--hubble-tls-cert' : '--hubble-tls-key'} is missing`,
      {
        cure: 'Give the certificate and its key.',
        exitCode: exitCodes.usage,
      },
    );
  }
  return { certFile, keyFile, ...(clientCaFile === null ? {} : { clientCaFile }) };
}

function aggregationOf(word: string | null): FlowOptions['aggregation'] | null {
  return word === 'none' || word === 'low' || word === 'medium' ? word : null;
}
