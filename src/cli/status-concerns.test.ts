import { expect, test } from 'vitest';
import { Counter } from '../abi/gen/index.ts';
import type { AgentStatus, MapStatus, PodStatus, ProgramStatus } from '../api/types.ts';
import { concernsOf } from './status-concerns.ts';

const well: AgentStatus = {
  instance: 'test',
  version: '0.1.0',
  pid: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  readyAfterMs: 1,
  adopted: false,
  cgroup: '/c',
  pins: '/p',
  abiVersion: 1,
  rssBytes: 1,
  redirectMode: { backend: 'sk_lookup', reason: 'all is there' },
  acceleration: {
    mode: 'auto',
    active: false,
    testing: false,
    reason: 'the self-test failed: slow reader: 9 MiB wait',
    applications: 'by annotation',
    checks: [],
    testMs: 200,
    sockets: 0,
    messages: 0,
    bytes: 0,
    reasons: {},
  },
  programs: [],
  maps: [],
  counters: {},
  pods: [],
  drift: { repaired: 0, last: null },
  policies: { count: 0, invalid: 0, lastApplyMs: null, identities: 0, rows: 0, problem: null },
  lostEvents: 0,
  unsaved: null,
  flows: { socket: '/run/millrace/x/hubble.sock', address: null, metrics: null, emitted: 0, delivered: 0, lost: 0, suppressed: 0 },
};

const program = (attached: string): ProgramStatus => ({
  name: 'mr_connect4',
  id: 1,
  tag: '',
  attached,
  instructions: 1,
  runs: 0,
  nanoseconds: 0,
});
const map = (type: string, entries: number | null): MapStatus => ({ name: 'mr_pods', type, entries, maxEntries: 100, bytes: 0 });
const pod: PodStatus = {
  name: 'demo/web',
  netns: '/n',
  cookie: '1',
  backend: 'bind',
  meshed: true,
  identity: 0,
  addresses: [],
  listeners: [],
  problems: ['first', 'second'],
};

test('concernsOf() is empty when everything hangs, fits and counts no failure', () => {
  const fine = { ...well, programs: [program('CGROUP_INET4_CONNECT of cgroup')], counters: { outbound_redirected: 5, error_storage: 0 } };
  expect(concernsOf(fine)).toEqual([]);
});

test('concernsOf() says that policies are invalid or do not hold', () => {
  const policies = { ...well.policies, count: 3, invalid: 2, problem: 'the table mr_policy is full' };
  expect(concernsOf({ ...well, policies })).toEqual([
    'policies do not hold as they were asked for, those before do: the table mr_policy is full',
    '2 policies are invalid and not enforced: millrace policy list --instance test',
  ]);
  expect(concernsOf({ ...well, policies: { ...well.policies, invalid: 1 } })).toEqual([
    '1 policy is invalid and not enforced: millrace policy list --instance test',
  ]);
});

test('concernsOf() says that a new agent would not know the pods', () => {
  expect(concernsOf({ ...well, unsaved: 'Cannot write because the file system is full' })).toEqual([
    'the list of pods or policies is not on disk, an agent that starts now would not know it: Cannot write because the file system is full',
  ]);
});

test('concernsOf() names the pod of every problem', () => {
  expect(concernsOf({ ...well, pods: [pod] })).toEqual(['demo/web: first', 'demo/web: second']);
});

test('concernsOf() names acceleration that was asked for and is off, and not while it is being tested', () => {
  const asked = { ...well.acceleration, mode: 'on' } as const;
  expect(concernsOf({ ...well, acceleration: asked })).toEqual([expect.stringContaining('slow reader: 9 MiB wait')]);
  expect(concernsOf({ ...well, acceleration: { ...asked, testing: true } })).toEqual([]);
  expect(concernsOf({ ...well, acceleration: { ...asked, active: true } })).toEqual([]);
});

test.each(['missing', 'detached'])('concernsOf() names a program that is %s', (attached) => {
  expect(concernsOf({ ...well, programs: [program(attached)] })).toEqual([expect.stringContaining(`mr_connect4 is ${attached}`)]);
});

test.each([
  ['HASH', 90, true],
  ['HASH', 89, false],
  ['LPM_TRIE', 100, true],
  ['LRU_HASH', 100, false],
  ['PERCPU_ARRAY', 100, false],
  ['RINGBUF', null, false],
])('concernsOf() for a %s with %s of 100 rows says something: %s', (type, entries, told) => {
  expect(concernsOf({ ...well, maps: [map(type, entries)] })).toEqual(
    told ? ['mr_pods has 90 of 100 rows in use'.replace('90', String(entries))] : [],
  );
});

test('concernsOf() explains every counter of an error, and lost events once', () => {
  const errors = Object.keys(Counter)
    .map((name) => name.toLowerCase())
    .filter((name) => name.startsWith('error_') && name !== 'error_event_lost');
  const counters = Object.fromEntries(errors.map((name) => [name, 3]));
  const concerns = concernsOf({ ...well, counters, lostEvents: 2 });
  for (const name of errors) expect(concerns).toContainEqual(expect.stringMatching(new RegExp(`^${name} 3: `)));
  expect(concerns).toContain('2 events lost: its log is not complete');
});
