import { describe, expect, it } from 'vitest';
import { parseManifests } from '../../manifests/parse.ts';
import { LabObjects } from './objects.ts';
import { outsideNames } from './outside-names.ts';

const service = (name: string, text: string) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, annotations: {lab.millrace.io/outside-names: ${JSON.stringify(text)}}}\nspec: {ports: [{port: 80}]}\n`;
const objects = (...annotations: readonly string[]) => {
  const text = annotations.map((annotation, index) => service(`s${index}`, annotation)).join('---\n');
  return new LabObjects().apply(parseManifests(text, 'test.yaml', { defaultNamespace: 'demo' }).manifests).objects;
};

describe('outsideNames()', () => {
  it('reads addresses and aliases of all objects, without case and last dot, each once', () => {
    const found = outsideNames(
      objects('API.example.com.=172.20.0.10, api.example.com=172.20.0.11', 'www.example.com=api.example.com,api.example.com=172.20.0.10,'),
    );
    expect(Object.fromEntries(found)).toEqual({
      'api.example.com': [
        { kind: 'A', address: '172.20.0.10' },
        { kind: 'A', address: '172.20.0.11' },
      ],
      'www.example.com': [{ kind: 'CNAME', target: 'api.example.com' }],
    });
  });

  it.each([
    ['api.example.com', 'it is not NAME=ADDRESS'],
    ['example=172.20.0.10', 'it is not NAME=ADDRESS'],
    ['*.example.com=172.20.0.10', 'it is not NAME=ADDRESS'],
    ['a.example.com=1=2', 'it is not NAME=ADDRESS'],
    ['a.example.com=', 'neither an address nor a name'],
    ['a.example.com=300.1.1.1', 'neither an address nor a name'],
    ['1.2.3.4=172.20.0.10', 'an address is no name'],
    ['sleep.demo.svc.cluster.local=172.20.0.10', "names of cluster.local are the cluster's"],
    ['1.0.20.172.in-addr.arpa=172.20.0.10', "names of arpa are the cluster's"],
    ['a.example.com=10.96.1.1', '10.96.0.0/16 is not outside'],
    ['a.example.com=10.244.0.9', '10.244.0.0/24 is not outside'],
    ['a.example.com=::1', '::1/128 is not outside'],
    ['a.example.com=b.example.com, a.example.com=172.20.0.10', 'an alias has one target'],
    ['a.example.com=b.example.com, b.example.com=a.example.com', 'its aliases lead back'],
  ])('refuses %s', (text, why) => {
    expect(() => outsideNames(objects(text))).toThrow(why);
  });
});
