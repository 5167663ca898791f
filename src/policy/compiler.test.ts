import { describe, expect, it } from 'vitest';
import { addresses, flowOf, identityOf, newPod, policiesOf, withPods, world } from '../../test/support/policy-world.ts';
import { PolicyCompiler } from './compiler.ts';
import { PolicyTables } from './lookup.ts';
import type { CompiledPolicy, Policy, PolicyCluster } from './types.ts';

const cilium = (name: string, spec: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}, namespace: x}\nspec: ${spec}\n`;
const network = (name: string, spec: string) =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: x}\nspec: ${spec}\n`;
const of = (...documents: string[]) => policiesOf(documents.join('---\n'));

const rowsOf = (compiled: CompiledPolicy, name: string) => {
  const subject = compiled.subjects.find(({ identity }) => identity === identityOf(compiled, name).id);
  return subject === undefined ? undefined : { policy: subject.policy, rows: compiled.rows.get(subject.policy) };
};

describe('rows', () => {
  it('PolicyCompiler.compile() writes the article’s policy as two rows: everybody is denied, the node is not', () => {
    const compiled = new PolicyCompiler().compile(of(cilium('db', '{endpointSelector: {matchLabels: {pod: a}}, ingress: [{}]}')), world);
    const rows = rowsOf(compiled, 'x/a')?.rows ?? [];
    expect(
      rows.map(({ peer, direction, protocol, port, portBits, tiers }) => [
        peer,
        direction,
        protocol,
        port,
        portBits,
        tiers.map(({ precedence }) => precedence),
      ]),
    ).toEqual([
      [0, 'ingress', 0, 0, 0, [0, 1, 0]],
      [1, 'ingress', 0, 0, 0, [0, 0xffffff03, 0]],
    ]);
    const rule = compiled.rules.get(rows[0]?.tiers[1].rule ?? 0);
    expect(rule).toMatchObject({
      policy: { kind: 'CiliumNetworkPolicy', namespace: 'x', name: 'db' },
      action: 'default-deny',
      matchType: 'none',
    });
    expect(compiled.subjects).toEqual([
      { identity: identityOf(compiled, 'x/a').id, policy: expect.any(Number), ingress: true, egress: false },
    ]);
  });

  it('PolicyCompiler.compile() writes ranges as prefixes, and what a wider rule says into the narrower rows', () => {
    const spec =
      '{endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: [{matchLabels: {pod: b}}], toPorts: [{ports: [{port: "0", protocol: TCP}]}]}], ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}], toPorts: [{ports: [{port: "80", endPort: 82, protocol: TCP}]}]}]}';
    const compiled = new PolicyCompiler().compile(of(cilium('p', spec)), world);
    const peer = identityOf(compiled, 'x/b').id;
    const rows = (rowsOf(compiled, 'x/a')?.rows ?? []).filter((row) => row.peer === peer);
    const shown = rows.map(({ protocol, port, portBits, tiers }) => [protocol, port, portBits, tiers[1].precedence]);
    expect(shown.sort()).toEqual(
      [
        [6, 0, 0, 259],
        [6, 80, 15, 260],
        [6, 82, 16, 260],
      ].sort(),
    );
  });

  it('PolicyCompiler.compile() leaves out rows that say the same as the one around them', () => {
    const spec =
      '{endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}, {fromEndpoints: [{matchLabels: {pod: b}}], toPorts: [{ports: [{port: "80"}]}]}]}';
    const compiled = new PolicyCompiler().compile(of(cilium('p', spec)), world);
    const peer = identityOf(compiled, 'x/b').id;
    expect((rowsOf(compiled, 'x/a')?.rows ?? []).filter((row) => row.peer === peer)).toHaveLength(1);
  });

  it('PolicyCompiler.compile() writes ICMP types into the high byte of the port, so that no code matters', () => {
    const compiled = new PolicyCompiler().compile(
      of(cilium('p', '{endpointSelector: {matchLabels: {pod: a}}, ingress: [{icmps: [{fields: [{type: 8}]}]}]}')),
      world,
    );
    expect((rowsOf(compiled, 'x/a')?.rows ?? []).filter(({ protocol }) => protocol === 1)).toMatchObject([
      { peer: 0, port: 0x800, portBits: 8 },
    ]);
    const tables = new PolicyTables(compiled);
    expect(tables.lookup({ ...flowOf('ingress', 'x/a', 'out', '8/icmp'), port: (8 << 8) | 3 }).verdict).toBe('allow');
  });

  it('PolicyCompiler.compile() names rules with the match types of Cilium', () => {
    const rules = [
      '{fromEndpoints: [{}]}',
      '{fromEndpoints: [{}], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}',
      '{fromEndpoints: [{}], toPorts: [{ports: [{port: "0", protocol: TCP}]}]}',
      '{toPorts: [{ports: [{port: "80", protocol: TCP}]}]}',
      '{toPorts: [{ports: [{port: "0", protocol: TCP}]}]}',
      '{fromEntities: [all]}',
    ];
    const compiled = new PolicyCompiler().compile(of(cilium('p', `{endpointSelector: {}, ingress: [${rules.join(', ')}]}`)), world);
    const types = [...compiled.rules.values()]
      .filter(({ policy, action }) => policy !== null && action === 'allow')
      .map(({ index, matchType }) => [index, matchType]);
    expect(types).toEqual([
      [0, 'L3-Only'],
      [1, 'L3-L4'],
      [2, 'L3-Proto'],
      [3, 'L4-Only'],
      [4, 'Proto-Only'],
      [5, 'all'],
    ]);
  });

  it('PolicyCompiler.compile() always has a row for everybody where a direction is enforced', () => {
    const admin =
      'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: c}\nspec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{namespaces: {matchLabels: {ns: z}}}]}]}\n';
    const compiled = new PolicyCompiler().compile(of(admin), world);
    for (const { policy, ingress, egress } of compiled.subjects) {
      expect([ingress, egress]).toEqual([false, true]);
      expect(compiled.rows.get(policy)?.filter((row) => row.peer === 0)).toMatchObject([
        { direction: 'egress', protocol: 0, tiers: [{ precedence: 0 }, { precedence: 0 }, { precedence: 0 }] },
      ]);
    }
  });

  it('PolicyTables.lookup() closes (203) where rows are missing', () => {
    const compiled = new PolicyCompiler().compile(of(cilium('p', '{endpointSelector: {}, ingress: [{fromEntities: [all]}]}')), world);
    const torn = new PolicyTables({ ...compiled, rows: new Map() });
    expect(torn.lookup(flowOf('ingress', 'x/a', 'x/b', '80/tcp'))).toMatchObject({ verdict: 'deny', reason: 203 });
  });

  it('PolicyCompiler.compile() shares one policy number among identities that the same policies select', () => {
    const compiled = new PolicyCompiler().compile(of(network('p', '{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}')), world);
    expect(compiled.subjects).toHaveLength(3);
    expect(compiled.rows.size).toBe(1);
  });

  it('PolicyCompiler.compile() does not share it where a named port differs', () => {
    const odd = newPod('odd', { namedPorts: [{ name: 'serve-80-tcp', protocol: 6, port: 8080 }] });
    const compiled = new PolicyCompiler().compile(
      of(network('p', '{podSelector: {}, ingress: [{ports: [{port: serve-80-tcp}]}]}')),
      withPods(odd),
    );
    expect(compiled.rows.size).toBe(2);
    const tables = new PolicyTables(compiled);
    const ask = (port: number) =>
      tables.lookup({ direction: 'ingress', source: addresses.out ?? '', destination: '10.0.7.7', protocol: 6, port }).verdict;
    expect([ask(80), ask(8080)]).toEqual(['deny', 'allow']);
  });
});

describe('recompiling', () => {
  const first = cilium('a', '{endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: [{}]}]}');
  const second = cilium('b', '{endpointSelector: {matchLabels: {pod: b}}, ingress: [{fromEndpoints: [{matchLabels: {pod: c}}]}]}');

  it('PolicyCompiler.compile() answers with the same parts where nothing changed, also when the policies are other objects', () => {
    const compiler = new PolicyCompiler();
    const before = compiler.compile(of(first, second), world);
    const after = compiler.compile(of(first, second), world);
    for (const part of ['identities', 'ipcache', 'endpoints', 'subjects', 'rows', 'rules', 'statuses'] as const)
      expect(after[part], part).toBe(before[part]);
  });

  it('PolicyCompiler.compile() keeps number and rows of policies that did not change, and gives a changed one a new number', () => {
    const compiler = new PolicyCompiler();
    const before = compiler.compile(of(first, second), world);
    const after = compiler.compile(of(first, second.replace('pod: c', 'pod: a')), world);
    expect(rowsOf(after, 'x/a')?.policy).toBe(rowsOf(before, 'x/a')?.policy);
    expect(rowsOf(after, 'x/a')?.rows).toBe(rowsOf(before, 'x/a')?.rows);
    const changed = rowsOf(after, 'x/b')?.policy ?? 0;
    expect([...before.rows.keys()]).not.toContain(changed);
    // and back again: numbers are not used twice
    const back = compiler.compile(of(first, second), world);
    expect([...before.rows.keys(), changed]).not.toContain(rowsOf(back, 'x/b')?.policy);
  });

  it('PolicyCompiler.compile() adds the rows of a new identity under the same number, and takes them away with it', () => {
    const compiler = new PolicyCompiler();
    const policies = of(first, second);
    const before = compiler.compile(policies, world);
    const more = compiler.compile(policies, withPods(newPod('new')));
    const [old, now] = [rowsOf(before, 'x/a'), rowsOf(more, 'x/a')];
    expect(now?.policy).toBe(old?.policy);
    const added = now?.rows?.filter((row) => !old?.rows?.includes(row)) ?? [];
    expect(added.map(({ peer }) => peer)).toEqual([more.endpoints.find(({ name }) => name === 'new')?.identity]);
    expect(rowsOf(more, 'x/b')?.rows).toBe(rowsOf(before, 'x/b')?.rows);
    const less = compiler.compile(policies, world);
    expect(rowsOf(less, 'x/a')?.policy).toBe(old?.policy);
    expect(rowsOf(less, 'x/a')?.rows).toEqual(old?.rows);
  });

  it('PolicyCompiler.compile() keeps rule ids while a rule is there, and never gives one again', () => {
    const compiler = new PolicyCompiler();
    const ids = (result: CompiledPolicy, name: string) =>
      [...result.rules.values()].filter(({ policy }) => policy?.name === name).map(({ id }) => id);
    const before = compiler.compile(of(first, second), world);
    const after = compiler.compile(of(first, second.replace('{fromEndpoints', '{fromEntities: [world]}, {fromEndpoints')), world);
    expect(ids(after, 'a')).toEqual(ids(before, 'a'));
    expect(ids(after, 'b')).toEqual(expect.arrayContaining(ids(before, 'b')));
    expect(ids(after, 'b')).toHaveLength(3);
    expect(ids(compiler.compile(of(first), world), 'b')).toEqual([]);
    const again = compiler.compile(of(first, second), world);
    for (const id of ids(again, 'b')) expect([...before.rules.keys(), ...after.rules.keys()]).not.toContain(id);
  });

  it('PolicyCompiler.compile() does not change what it answered before', () => {
    const compiler = new PolicyCompiler();
    const before = compiler.compile(of(first), world);
    const copy = structuredClone(before);
    compiler.compile(of(second), withPods(newPod('new')));
    compiler.compile([], { ...world, pods: [] });
    expect(before).toEqual(copy);
  });

  it('PolicyCompiler.compile() lets the last of two policies with one name count, in either order', () => {
    const compiler = new PolicyCompiler();
    const [allow] = of(cilium('same', '{endpointSelector: {}, ingress: [{fromEntities: [all]}]}'));
    const [deny] = of(cilium('same', '{endpointSelector: {}, ingress: [{}]}'));
    if (allow === undefined || deny === undefined) throw new Error('no policy');
    const ask = (policies: readonly Policy[]) =>
      new PolicyTables(compiler.compile(policies, world)).lookup(flowOf('ingress', 'x/a', 'out', '80/tcp')).verdict;
    expect([ask([allow, deny]), ask([deny, allow]), ask([allow]), ask([allow, deny])]).toEqual(['deny', 'allow', 'allow', 'deny']);
  });

  it('PolicyCompiler.compile() follows a service whose selector changes, and names that get other addresses', () => {
    const compiler = new PolicyCompiler();
    const policies = of(
      cilium(
        'p',
        '{endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: sb, namespace: y}}]}, {toFQDNs: [{matchName: api.example.com}]}]}',
      ),
    );
    const ask = (cluster: PolicyCluster, peer: string) =>
      new PolicyTables(compiler.compile(policies, cluster)).lookup(flowOf('egress', 'x/a', peer, '80/tcp')).verdict;
    const moved = {
      ...world,
      services: world.services.map((service) => ({ ...service, selector: service.name === 'sb' ? { pod: 'c' } : service.selector })),
    };
    expect([ask(world, 'y/b'), ask(moved, 'y/b'), ask(moved, 'y/c'), ask(world, 'y/c')]).toEqual(['allow', 'deny', 'allow', 'deny']);
    const renamed = { ...world, names: new Map([['api.example.com', ['203.0.113.5', '10.0.0.2']]]) };
    expect([ask(world, 'dns'), ask(renamed, 'dns'), ask(renamed, 'out'), ask(renamed, 'x/b'), ask(world, 'dns')]).toEqual([
      'allow',
      'deny',
      'allow',
      'deny',
      'allow',
    ]);
  });

  it('PolicyCompiler.compile() says which policies are invalid and why, and enforces the others', () => {
    const compiled = new PolicyCompiler().compile(of(cilium('bad', '{endpointSelector: {}}'), first), world);
    expect(compiled.statuses).toMatchObject([
      { reference: { name: 'bad' }, valid: false, reasons: ['rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny'] },
      { reference: { name: 'a' }, valid: true, reasons: [] },
    ]);
    expect(compiled.subjects).toHaveLength(1);
  });
});
