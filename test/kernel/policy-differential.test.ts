import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { parseIp } from '../../src/pods/address.ts';
import { PolicyCompiler } from '../../src/policy/compiler.ts';
import { PolicyTables } from '../../src/policy/lookup.ts';
import type { PolicyFlow } from '../../src/policy/types.ts';
import { PolicyTableWriter } from '../../src/policy-tables/index.ts';
import { endpointRow } from '../../src/policy-tables/rows.ts';
import { frame4, frame6, icmp, protocols, sctp, tcp, udp } from '../support/packets.ts';
import type { PolicyKernel } from '../support/policy-kernel.ts';
import { openPolicyKernel } from '../support/policy-kernel.ts';
import { generatePolicySet } from '../support/policy-set.ts';

const sets = 480;
const flowsPerSet = 40;
const loopback = 1;

const cleanup = new Cleanup();
let kernel: PolicyKernel;
let writer: PolicyTableWriter;
let next = 1n;

beforeAll(async () => {
  kernel = cleanup.use(await openPolicyKernel());
  writer = cleanup.use(new PolicyTableWriter(kernel.maps));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

/** The first packet of a flow; null where there is none: its addresses are of two families, or its ICMP is the other family's. */
function packetOf({ source, destination, protocol, port }: PolicyFlow): Buffer | null {
  const [src, dst] = [parseIp(source), parseIp(destination)];
  if (src === null || dst === null || src.family !== dst.family) return null;
  if (protocol === (src.family === 4 ? protocols.icmp6 : protocols.icmp)) return null;
  const payload = payloadOf(protocol, port);
  const addresses = { src: source, dst: destination };
  return src.family === 4 ? frame4({ protocol, ...addresses }, payload) : frame6({ next: protocol, ...addresses }, payload);
}

function payloadOf(protocol: number, port: number): Buffer {
  switch (protocol) {
    case protocols.tcp:
      return tcp(40_000, port);
    case protocols.udp:
      return udp(40_000, port);
    case protocols.sctp:
      return sctp(40_000, port);
    case protocols.icmp:
    case protocols.icmp6:
      return icmp(port >> 8, port & 0xff, 7);
    default:
      return Buffer.alloc(8);
  }
}

/** What the loaded program says of a flow: as a pod that nobody has seen yet, so that no connection is known. */
function judge(
  flow: PolicyFlow,
  identity: number,
  packet: Buffer,
): { readonly verdict: 'allow' | 'deny'; readonly reason: number | null; readonly rule: number } {
  const cookie = next++;
  kernel.maps.hostInterfaces.set(loopback, cookie);
  // the address that a flow names may be one of several of its pod
  kernel.maps.endpoints.set(cookie, endpointRow({ cookie, identity, addresses: [], audit: false, reject: false, forwards: true }));
  const passed = kernel.run(flow.direction, packet) === 'pass';
  kernel.maps.endpoints.delete(cookie);
  const said = kernel.events().find(({ type }) => type === 5);
  if (said === undefined) throw new Error(`nothing was said of ${JSON.stringify(flow)}`);
  return { verdict: passed ? 'allow' : 'deny', reason: said.subtype === 0 ? null : said.subtype, rule: said.rule };
}

describe('the loaded programs', () => {
  it(`say what the compiled tables say, and name the same rule, when ${sets} sets of policies meet ${flowsPerSet} flows each`, async () => {
    const counts = { allow: 0, deny: 0 };
    for (let seed = 1; seed <= sets; seed += 1) {
      const { policies, cluster, flows, manifests } = generatePolicySet(seed, flowsPerSet);
      const compiled = new PolicyCompiler().compile(policies, cluster);
      const tables = new PolicyTables(compiled);
      await writer.apply(compiled, []);
      for (const flow of flows) {
        const packet = packetOf(flow);
        if (packet === null) continue;
        const { verdict, reason, rule, identities } = tables.lookup(flow);
        const found = judge(flow, identities.subject, packet);
        expect({ flow, ...found }, `seed ${seed}: ${JSON.stringify(manifests)}`).toEqual({ flow, verdict, reason, rule: rule?.id ?? 0 });
        counts[verdict] += 1;
      }
    }
    expect(counts.allow + counts.deny).toBeGreaterThan(10_000);
    expect(Math.min(counts.allow, counts.deny)).toBeGreaterThan(1_000);
  }, 120_000);
});
