import { Bench } from 'tinybench';
import { readFlowEvent } from '../../src/abi/gen/index.ts';
import { FlowCounters } from '../../src/flow/counters.ts';
import { compileFilters } from '../../src/flow/filter/compile.ts';
import { flowOfEvent } from '../../src/flow/flow-of-event.ts';
import { FlowRing } from '../../src/flow/ring.ts';
import { timestampOf, WallClock } from '../../src/flow/wall-clock.ts';
import { messageOfFlow } from '../../src/serve/hubble/convert.ts';
import { RecentNamespaces } from '../../src/serve/hubble/namespaces.ts';
import { flowWorld, worldClocks, worldEvents } from '../../test/support/flow-world.ts';
import { eventBytes } from '../../test/support/scripted-events.ts';

/** What one event costs on its way; the first row is paid for every event of a storm, the others for every flow that somebody looks at. */
export async function benchFlows(time: number): Promise<readonly { readonly name: string; readonly nanoseconds: number }[]> {
  const context = {
    directory: flowWorld,
    rules: flowWorld,
    nodeName: 'n',
    clusterName: 'default',
    emitter: { name: 'Millrace', version: '1' },
  };
  const clock = new WallClock(worldClocks);
  const ring = new FlowRing({ capacity: 4095, clock, context, random: new Uint8Array(10) });
  const counters = new FlowCounters();
  const namespaces = new RecentNamespaces();
  const records = worldEvents.map(eventBytes);
  const record = records[0];
  const event = record === undefined ? null : readFlowEvent(record);
  if (record === undefined || event === null) throw new Error('no event to measure');
  const flow = flowOfEvent(event, timestampOf(0n), '', context);
  const wanted = compileFilters(
    [{ sourceLabel: ['app=sleep'], destinationLabel: ['app=sensitive-db'], verdict: [2], destinationIp: ['10.244.0.0/16'] }],
    [],
  );
  let turn = 0;
  const bench = new Bench({ time, warmupTime: time / 4 });
  bench
    .add('take in one event', () => {
      turn = (turn + 1) % records.length;
      const next = records[turn] ?? record;
      counters.count(next, 0);
      namespaces.see(next, 0, 0);
      ring.appendRecord(next, 0);
    })
    .add('make a flow of it', () => flowOfEvent(readFlowEvent(record), timestampOf(clock.wallNs(event.timeNs)), '', context))
    .add('filter a flow by labels, verdict and range', () => wanted(flow))
    .add('make a message of it', () => messageOfFlow(flow));
  await bench.run();
  return bench.tasks.map(({ name, result }) => {
    if (!('latency' in result)) throw new Error(`${name} was not measured: ${result.state}`);
    return { name, nanoseconds: result.latency.p50 * 1e6 };
  });
}
