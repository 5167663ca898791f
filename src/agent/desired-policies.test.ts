import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manifestsOf } from '../../test/support/policy-world.ts';
import { silentLogger } from '../base/log.ts';
import { DesiredPolicies } from './desired-policies.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-policies-'));
  path = join(directory, 'policies.json');
});

afterEach(() => rmSync(directory, { recursive: true }));

const open = () => DesiredPolicies.open(path, silentLogger);
const nobody = { namespaces: [], services: [], nodes: [], pods: [] };
const policy = (name: string, from = '10.0.0.0/8') =>
  manifestsOf(
    `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}, namespace: x}\nspec: {endpointSelector: {}, ingress: [{fromCIDR: [${from}]}]}\n`,
  );
const policiesOf = (desired: DesiredPolicies) =>
  desired.policies().map(({ policy: { reference }, origin }) => `${origin} ${reference.name}`);

describe('DesiredPolicies', () => {
  it('saveAgain() writes what could not be written, and unsaved says why until then', async () => {
    const desired = await open();
    expect(await desired.saveAgain()).toBe(false);
    desired.replace({ ...nobody, policies: [...policy('a')] });
    desired.put(policy('own'));
    renameSync(directory, `${directory}-away`);
    await expect(desired.save()).rejects.toThrow('ENOENT');
    expect(desired.unsaved).toContain('ENOENT');
    await expect(desired.saveAgain()).rejects.toThrow('ENOENT');
    renameSync(`${directory}-away`, directory);
    expect(await desired.saveAgain()).toBe(true);
    expect(desired.unsaved).toBeNull();
    expect(policiesOf(await open())).toEqual(['list a', 'operator own']);
  });

  it('replace() keeps the very object of a policy that says the same, and tells what became of each', async () => {
    const desired = await open();
    desired.replace({ ...nobody, policies: [...policy('a'), ...policy('b')] });
    const before = desired.policies();
    const outcomes = desired.replace({ ...nobody, policies: [...policy('a'), ...policy('b', '10.1.0.0/16'), ...policy('c')] });
    expect(outcomes.map(({ name, outcome }) => [name, outcome])).toEqual([
      ['a', 'unchanged'],
      ['b', 'configured'],
      ['c', 'created'],
    ]);
    const after = desired.policies();
    expect(after[0]?.policy).toBe(before[0]?.policy);
    expect(after[1]?.policy).not.toBe(before[1]?.policy);
  });

  it('save() writes a list that the next agent reads, and leaves the file alone until there is another', async () => {
    const desired = await open();
    desired.replace({ ...nobody, policies: [...policy('a'), ...policy('a', '10.1.0.0/16')] });
    desired.put(policy('own'));
    await desired.save();
    const next = await open();
    expect(policiesOf(next)).toEqual(['list a', 'operator own']);
    expect(next.policies()[0]?.policy).toEqual(desired.policies()[0]?.policy);
    expect(JSON.stringify(next.policies()[0]?.policy.sections)).toContain('"prefix":16');
    rmSync(path);
    await next.save();
    expect(() => readFileSync(path)).toThrow('ENOENT');
    next.replace({ ...nobody, policies: [] });
    await next.save();
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ policies: [] });
  });

  it("counts a policy once whose name an operator's own has, which wins", async () => {
    const desired = await open();
    desired.replace({ ...nobody, policies: [...policy('a'), ...policy('b')] });
    desired.put(policy('b', '10.1.0.0/16'));
    expect(policiesOf(desired)).toEqual(['list a', 'operator b']);
    expect(desired.count).toBe(2);
    expect(desired.put(policy('b', '10.1.0.0/16')).map(({ outcome }) => outcome)).toEqual(['unchanged']);
    desired.delete({ kind: 'CiliumNetworkPolicy', namespace: 'x', name: 'b' });
    expect(policiesOf(desired)).toEqual(['list a', 'list b']);
  });
});
