import { describe, expect, it } from 'vitest';
import { adminPaths, parseStatistics, proxyStatus } from './admin.ts';

const file = (version: string) => JSON.stringify({ version_info: version });
const files = {
  'lds.json': file('l'),
  'cds.json': file('c'),
  'rds/80.json': file('r'),
  'ecds/authorization-deny.json': file('e'),
  'sds-identity.json': file('s'),
};
const accepted = {
  'listener_manager.lds.version_text': '"l"',
  'cluster_manager.cds.version_text': '"c"',
  'http.outbound_0.0.0.0_80.rds.80.version_text': '"r"',
  'extension_config_discovery.http_filter.authorization-deny.version_text': '"e"',
  'sds.default.version_text': '"s"',
  'listener_manager.total_listeners_warming': '0',
};
const live = { status: 200, body: 'LIVE\n' };

function status(statistics: Readonly<Record<string, string>>, ready: { status: number; body: string } | null = live) {
  const text = Object.entries(statistics)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
  return proxyStatus({ ready, statistics: text }, files);
}

describe('proxyStatus()', () => {
  it('is ready when every file was taken', () => {
    expect(status(accepted)).toEqual({ kind: 'ready' });
  });

  it.each([
    ['nothing answers', null, accepted, 'does not answer'],
    ['it starts', { status: 503, body: 'PRE_INITIALIZING\n' }, accepted, 'PRE_INITIALIZING'],
    ['a file was not taken', live, { ...accepted, 'listener_manager.lds.version_text': '"old"' }, 'has not taken lds.json'],
    ['nothing was taken', live, {}, 'lds.json, cds.json'],
    ['a listener warms', live, { ...accepted, 'listener_manager.total_listeners_warming': '2' }, '2 of the proxy'],
    ['a port is taken', live, { ...accepted, 'listener_manager.listener_create_failure': '1' }, 'could not open a listener'],
  ] as const)('waits when %s', (_, ready, statistics, reason) => {
    const result = status(statistics, ready);
    expect(result.kind).toBe('waiting');
    expect(result).toHaveProperty('reason', expect.stringContaining(reason));
  });

  it.each(['update_rejected', 'update_failure'])('names the file that was refused (%s)', (counter) => {
    const statistics = { ...accepted, 'sds.default.version_text': '"old"', [`sds.default.${counter}`]: '1' };
    expect(status(statistics)).toMatchObject({ kind: 'rejected', files: ['sds-identity.json'] });
  });

  it('forgets a refusal once the file is taken', () => {
    expect(status({ ...accepted, 'listener_manager.lds.update_rejected': '3' })).toEqual({ kind: 'ready' });
  });

  it('does not miss a file that nothing refers to', () => {
    const { 'sds.default.version_text': _, ...rest } = accepted;
    expect(status(rest)).toEqual({ kind: 'ready' });
  });
});

describe('parseStatistics()', () => {
  it('reads numbers and quoted text', () => {
    expect([...parseStatistics('a.b: 1\nc: "x y"\n\nnonsense\n')]).toEqual([
      ['a.b', '1'],
      ['c', 'x y'],
    ]);
  });
});

describe('adminPaths', () => {
  it('asks only for what proxyStatus() reads', () => {
    const filter = new RegExp(adminPaths.statistics.split('filter=')[1] ?? '');
    for (const name of Object.keys(accepted)) expect(name).toMatch(filter);
  });
});
