import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { compileBpf } from '../../test/support/compile-bpf.ts';
import { policiesOf, world } from '../../test/support/policy-world.ts';
import { BpfMap, BpfObject } from '../kernel/index.ts';
import { PolicyCompiler } from '../policy/compiler.ts';
import { evaluate } from '../policy/evaluate.ts';
import { stepsBetween } from '../policy/steps.ts';
import type { Policy, PolicyFlow } from '../policy/types.ts';
import { PolicyTableWriter } from '../policy-tables/index.ts';
import { ipcacheKey } from '../policy-tables/rows.ts';
import type { DataPlaneMaps } from '../redirect/ebpf/maps.ts';
import { openMaps } from '../redirect/ebpf/maps.ts';
import { howToGo } from './take-over.ts';

/** Looks at the kernel's tables after every single write: an agent may be killed at any of them, and packets come between all of them. */
let object: BpfObject;
let maps: DataPlaneMaps;
let writer: PolicyTableWriter;
const elf = compileBpf('bpf/tests/policy_only.bpf.c');

beforeAll(async () => {
  object = await BpfObject.load(elf, { name: 'steps' });
  maps = openMaps(object);
});

beforeEach(() => {
  writer = new PolicyTableWriter(maps);
});

afterEach(() => {
  vi.restoreAllMocks();
  writer.close();
});

afterAll(() => {
  for (const map of Object.values(maps)) map.close();
  object.close();
});

/** Of the pod x/a, whose policy all lists are. */
const cookie = 5n;

async function bring(compiler: PolicyCompiler, policies: readonly Policy[]): Promise<void> {
  const compiled = compiler.compile(policies, world);
  const identity = compiled.endpoints.find(({ namespace, name }) => namespace === 'x' && name === 'a')?.identity ?? 0;
  await writer.apply(compiled, [{ cookie, identity, addresses: ['10.0.0.1'], audit: false, reject: false, forwards: false }]);
}

const identityOf = (address: string): number => maps.ipcache.get(ipcacheKey({ prefix: `${address}/32` }))?.identity ?? 2;

/** As mr_policy_verdict (bpf/lib/verdict.bpf.h), which asks the same tables the same way. */
function judge({ direction, source, destination, protocol, port }: PolicyFlow): 'allow' | 'deny' {
  const peer = direction === 'egress' ? destination : source;
  const subject = maps.subjects.get(maps.endpoints.get(cookie)?.identity ?? 0);
  if (subject === null || (subject.flags & (direction === 'egress' ? 1 : 2)) === 0) return 'allow';
  const ask = (id: number) =>
    maps.policy.get({
      prefixlen: 96,
      policy: subject.policy,
      peer: id,
      direction: direction === 'egress' ? 1 : 0,
      protocol,
      dport: port,
    });
  const everybody = ask(0);
  const concrete = ask(identityOf(peer));
  if (everybody === null) return 'deny';
  for (const tier of [0, 1, 2]) {
    const [all, one] = [everybody.tiers[tier]?.precedence ?? 0, concrete?.tiers[tier]?.precedence ?? 0];
    const action = Math.max(all, one) % 256;
    if (action === 1 || action === 4) return 'deny';
    if (action === 3) return 'allow';
  }
  return 'allow';
}

const cilium = (name: string, spec: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: { name: ${name}, namespace: x }\nspec: { endpointSelector: { matchLabels: { pod: a } }, ${spec} }\n`;
const ports = (...list: readonly number[]) =>
  `toPorts: [{ ports: [${list.map((port) => `{ port: "${port}", protocol: TCP }`).join(', ')}] }]`;

const wide = cilium('egress', `egress: [{ toCIDR: [203.0.113.0/24], ${ports(80)} }]`);
const lists: Readonly<Record<string, string>> = {
  wide,
  // another address of the same range, and one that is denied
  narrow: cilium(
    'egress',
    `egress: [{ toCIDR: [203.0.113.5/32], ${ports(80)} }, { toCIDR: [203.0.113.0/24], ${ports(81)} }], egressDeny: [{ toCIDR: [203.0.113.77/32] }]`,
  ),
  names: cilium(
    'egress',
    `egress: [{ toFQDNs: [{ matchName: deep.api.example.com }], ${ports(80)} }, { toCIDR: [203.0.113.76/31], ${ports(82)} }]`,
  ),
  // blocks of NetworkPolicy cover pods too, so that pods become others
  blocks: `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: egress, namespace: x }
spec: { podSelector: { matchLabels: { pod: a } }, policyTypes: [Egress, Ingress], egress: [{ to: [{ ipBlock: { cidr: 10.0.1.0/24, except: [10.0.1.2/32] } }, { ipBlock: { cidr: 203.0.113.0/24 } }], ports: [{ port: 80 }] }], ingress: [{ from: [{ ipBlock: { cidr: 10.0.1.2/31 } }], ports: [{ port: 80 }] }] }
`,
  pods: cilium(
    'egress',
    `egress: [{ toEndpoints: [{ matchLabels: { io.kubernetes.pod.namespace: "y" } }], ${ports(80)} }, { toCIDR: [203.0.113.5/32], ${ports(80, 81)} }]`,
  ),
  beside: `${wide}---\n${cilium('beside', `egressDeny: [{ toCIDR: [203.0.113.64/26] }]`)}`,
};

const source = '10.0.0.1';
const flows: readonly PolicyFlow[] = [
  '203.0.113.5',
  '203.0.113.6',
  '203.0.113.77',
  '198.51.100.8',
  '10.0.1.1',
  '10.0.1.2',
  '10.0.1.3',
].flatMap((other) =>
  [80, 81, 82].flatMap((port): PolicyFlow[] => [
    { direction: 'egress', source, destination: other, protocol: 6, port },
    { direction: 'ingress', source: other, destination: source, protocol: 6, port },
  ]),
);

/** Calls back after each write of any table of this process. */
function watch(seen: () => void): void {
  for (const name of ['set', 'setMany', 'delete', 'deleteMany'] as const) {
    const original = BpfMap.prototype[name];
    vi.spyOn(BpfMap.prototype, name).mockImplementation(function (this: BpfMap<unknown, unknown>, ...args: readonly unknown[]) {
      const result: unknown = Reflect.apply(original, this, args);
      seen();
      return result as never;
    });
  }
}

describe('stepsBetween()', () => {
  const names = Object.keys(lists);
  const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to] as const));

  it.each(pairs)('lets every table between %s and %s judge by the one or the other', async (from, to) => {
    const compiler = new PolicyCompiler();
    const of = new Map(names.map((name) => [name, policiesOf(lists[name] ?? '')]));
    const verdicts = (policies: readonly Policy[]) => flows.map((flow) => evaluate(policies, world, flow).verdict);
    const [before, after] = [of.get(from) ?? [], of.get(to) ?? []];
    await bring(new PolicyCompiler(), []);
    await bring(compiler, before);
    const [one, other] = [verdicts(before), verdicts(after)];
    expect(flows.map(judge)).toEqual(one);
    expect(one).not.toEqual(other);
    const wrong = new Set<string>();
    let looks = 0;
    watch(() => {
      looks += 1;
      flows.forEach((flow, index) => {
        const now = judge(flow);
        if (now !== one[index] && now !== other[index])
          wrong.add(`${flow.direction} ${flow.source} ${flow.destination}:${flow.port} ${now}`);
      });
    });
    for (const step of stepsBetween(before, after)) await bring(compiler, step);
    vi.restoreAllMocks();
    expect([...wrong]).toEqual([]);
    expect(looks).toBeGreaterThan(2);
    expect(flows.map(judge)).toEqual(other);
  });

  it('is one step where nobody is judged, nothing changed, or no identity can', () => {
    const [wideList, narrow] = [policiesOf(wide), policiesOf(lists.narrow ?? '')];
    expect(stepsBetween([], wideList)).toEqual([wideList]);
    expect(stepsBetween(wideList, [...wideList])).toEqual([wideList]);
    const labels = policiesOf(cilium('labels', 'egress: [{ toEndpoints: [{ matchLabels: { app: web } }] }]'));
    expect(stepsBetween(wideList, [...wideList, ...labels])).toEqual([[...wideList, ...labels]]);
    const other = policiesOf(wide.replace('"80"', '"81"'));
    expect(stepsBetween(wideList, other)).toEqual([other]);
    expect(stepsBetween(wideList, narrow).map((step) => step.map(({ reference }) => reference.name))).toEqual([
      ['egress', 'egress (named only)'],
      ['egress'],
    ]);
    expect(stepsBetween(narrow, wideList)).toHaveLength(2);
  });
});

describe('howToGo()', () => {
  it.each(Object.keys(lists).map((name) => [name] as const))(
    'takes over what an agent left that had numbered its identities otherwise, whatever it did last, and writes %s',
    async (name) => {
      const left = new PolicyCompiler();
      // numbers that another order of lists gives
      for (const other of ['blocks', 'names', 'narrow', 'pods']) await bring(left, policiesOf(lists[other] ?? ''));
      const [before, after] = [policiesOf(lists[name] ?? ''), policiesOf(wide)];
      const [first] = stepsBetween(before, after);
      await bring(left, before);
      await bring(left, first);
      writer.close();
      writer = new PolicyTableWriter(maps);
      const [one, other] = [flows.map(judge), flows.map((flow) => evaluate(before, world, flow).verdict)];
      const wrong = new Set<string>();
      watch(() => {
        flows.forEach((flow, index) => {
          const now = judge(flow);
          if (now !== one[index] && now !== other[index]) wrong.add(`${flow.direction} ${flow.destination}:${flow.port} ${now}`);
        });
      });
      const { compiler, steps } = await howToGo(null, before, { compiler: new PolicyCompiler(), writer, cluster: world });
      for (const step of steps) await bring(compiler, step);
      vi.restoreAllMocks();
      expect([...wrong]).toEqual([]);
      expect(flows.map(judge)).toEqual(other);
    },
  );
});
