import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/base/log.ts';
import type { FlowService, FlowServiceOptions } from '../../src/serve/flow-service.ts';
import { openFlowService } from '../../src/serve/flow-service.ts';
import { accessLogLines, dnsExchange, flowWorld, worldClocks, worldEvents } from './flow-world.ts';
import { ScriptedEvents } from './scripted-events.ts';

/** A flow service over scripted events, on a socket in a folder of its own. */
export interface FlowServer extends AsyncDisposable {
  readonly service: FlowService;
  readonly events: ScriptedEvents;
  /** `unix:///tmp/…/hubble.sock` */
  readonly address: string;
  readonly folder: string;
}

/** Starts one; nothing has happened yet. */
export async function startFlowServer(
  options: Partial<Omit<FlowServiceOptions, 'listen'>> & { readonly tcp?: FlowServiceOptions['listen']['tcp'] } = {},
): Promise<FlowServer> {
  const { tcp, ...rest } = options;
  const folder = await mkdtemp(join(tmpdir(), 'millrace-flows-'));
  const unixSocket = join(folder, 'hubble.sock');
  const events = new ScriptedEvents();
  const service = await openFlowService({
    events,
    directory: flowWorld,
    rules: flowWorld,
    nodeName: 'node-a',
    clocks: worldClocks,
    listen: { unixSocket, ...(tcp === undefined ? {} : { tcp }) },
    log: silentLogger,
    ...rest,
  }).catch(async (error: unknown) => {
    await rm(folder, { recursive: true });
    throw error;
  });
  return {
    service,
    events,
    address: `unix://${unixSocket}`,
    folder,
    [Symbol.asyncDispose]: async () => {
      await service.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** Lets everything happen that flow-world.ts knows. */
export function playWorld({ service, events }: FlowServer): void {
  events.push(...worldEvents);
  service.drain();
  for (const { line, pod } of accessLogLines) service.addAccessLog(line, [pod]);
  service.addDns(dnsExchange);
}
