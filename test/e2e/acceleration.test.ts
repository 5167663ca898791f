import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import type { LoadReport } from '../support/load.ts';
import { onlySuccesses, startLoad } from '../support/load.ts';
import { millrace } from '../support/run-process.ts';
import { TestLab } from '../support/test-lab.ts';

const cleanup = new Cleanup();
let lab: TestLab;

const others = readFileSync(new URL('manifests/others.yaml', import.meta.url), 'utf8');

/** A client and a server whose owner says that their sockets may be accelerated. */
const annotated = ['quick-client', 'quick-server']
  .map(
    (name) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata:
      labels: {app: ${name}}
      annotations: {millrace.io/accelerate: "true"}
    spec:
      containers: [{name: ${name}, image: kennethreitz/httpbin}]
---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  selector: {app: ${name}}
  ports: [{name: http, port: 8000, targetPort: 80}]
`,
  )
  .join('---\n');

beforeAll(async () => {
  lab = cleanup.use(await TestLab.up('acceleration'));
  await lab.apply(`${others}\n---\n${annotated}`);
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const messages = async (): Promise<number> => (await lab.agent.acceleration()).messages;

/** Requests out of a pod for `seconds`; returns the report and how many messages went past TCP for each request. */
async function requests(
  from: string,
  url: string,
  seconds: number,
  during = async () => {},
): Promise<{ report: LoadReport; past: number }> {
  const before = await messages();
  const load = await startLoad(lab, from, [{ name: 'requests', url, perSecond: 100, connections: 'kept' }]);
  await new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / 2));
  await during();
  await new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / 2));
  const { requests: report } = await load.stop();
  if (report === undefined) throw new Error('the load has no report');
  expect(report).toMatchObject(onlySuccesses(report));
  expect(report.sent).toBeGreaterThan(50);
  return { report, past: ((await messages()) - before) / report.sent };
}

describe('acceleration in the lab', () => {
  it('is on, and lab status and millrace status say so', async () => {
    const { acceleration } = await lab.client.status();
    expect(acceleration).toMatchObject({ state: 'on', mode: 'auto' });
    expect((await lab.cli('status')).stdout).toContain('acceleration: on (auto: the self-test passed');
    expect((await millrace(['accelerate', '--instance', lab.instance, '-o', 'json'])).stdout).toContain('"active": true');
  });

  it('carries what the proxies of two pods say to each other, without an annotation', async () => {
    const { past } = await requests('deploy/caller', `${await lab.serviceUrl('httpbin')}/ip`, 2);
    // a request and an answer, on one hop of three
    expect(past).toBeGreaterThan(1);
    expect(past).toBeLessThan(3);
  });

  it('carries what the applications say, too, where both pods say so', async () => {
    const { past } = await requests('deploy/quick-client', `${await lab.serviceUrl('quick-server')}/ip`, 2);
    expect(past).toBeGreaterThan(3);
  });

  it('is turned off and on again while requests are made: none fails', async () => {
    const turn = async (mode: string): Promise<void> => {
      const { status, stdout } = await millrace(['accelerate', mode, '--instance', lab.instance]);
      expect([status, stdout]).toEqual([0, expect.stringContaining(`acceleration ${mode} is ${mode}`)]);
    };
    const url = `${await lab.serviceUrl('quick-server')}/bytes/20000`;
    await requests('deploy/quick-client', url, 2, () => turn('off'));
    const { past } = await requests('deploy/quick-client', url, 1);
    expect(past).toBe(0);
    expect((await lab.client.status()).acceleration).toMatchObject({ state: 'off', mode: 'off' });
    expect((await requests('deploy/quick-client', url, 2, () => turn('on'))).past).toBeGreaterThan(0);
  });
});
