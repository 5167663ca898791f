import type { ProxyFiles } from './files.ts';
import { secretFiles, secretNames } from './transport.ts';

/** What to GET from the proxy's admin port (127.0.0.1:15000 in the pod's network namespace) to judge it with proxyStatus(). */
export const adminPaths = {
  ready: '/ready',
  statistics: '/stats?filter=(version_text|update_rejected|update_failure|total_listeners_warming|listener_create_failure)$',
} as const;

/**
 * `ready`: it serves, with exactly these files. `waiting`: not yet, or no longer. `rejected`: it has refused an update of the files named and goes
 * on with what it had; its log says why.
 */
export type ProxyStatus =
  | { readonly kind: 'ready' }
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'rejected'; readonly files: readonly string[]; readonly reason: string };

/**
 * Judges a proxy by its answers (null: no answer). Envoy reports the version of what it accepted, and a file's version is a hash of its content.
 * Envoy only counts refusals, so a file that follows a refused one reads as refused too for the moments until Envoy has taken it: ask again
 * before giving up. A file that no listener or cluster refers to is not followed and not missed.
 */
export function proxyStatus(
  answers: { readonly ready: { readonly status: number; readonly body: string } | null; readonly statistics: string | null },
  files: ProxyFiles,
): ProxyStatus {
  if (answers.ready === null || answers.statistics === null) return waiting('the proxy does not answer at its admin port');
  if (answers.ready.status !== 200) return waiting(`the proxy is ${answers.ready.body.trim()}`);
  const statistics = parseStatistics(answers.statistics);
  const behind = Object.keys(files).filter((path) => !isAccepted(statistics, path, files[path] ?? ''));
  const refused = behind.filter((path) => refusals(statistics, path) > 0);
  if (refused.length > 0) {
    return {
      kind: 'rejected',
      files: refused,
      reason: `the proxy refused ${refused.join(', ')} and goes on with what it had; its log says why`,
    };
  }
  if (behind.length > 0) return waiting(`the proxy has not taken ${behind.join(', ')}`);
  const warming = Number(statistics.get('listener_manager.total_listeners_warming') ?? 0);
  if (warming > 0) return waiting(`${warming} of the proxy's listeners wait for what they refer to`);
  const failed = Number(statistics.get('listener_manager.listener_create_failure') ?? 0);
  if (failed > 0) return waiting(`the proxy could not open a listener ${failed} times; its log says why`);
  return { kind: 'ready' };
}

/** Reads the text form of `/stats`: one `name: value` in each line; text values are in quotes. */
export function parseStatistics(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(': ');
    if (colon === -1) continue;
    const value = line.slice(colon + 2).trim();
    values.set(line.slice(0, colon), value.startsWith('"') ? value.slice(1, -1) : value);
  }
  return values;
}

/** Where Envoy counts what it did with a file; null for one that it reports nothing of. */
function subscriptionOf(statistics: ReadonlyMap<string, string>, path: string): string | null {
  if (path === 'lds.json') return 'listener_manager.lds';
  if (path === 'cds.json') return 'cluster_manager.cds';
  const suffix = subscriptionSuffix(path);
  if (suffix === null) return null;
  for (const name of statistics.keys()) {
    if (name.endsWith(`${suffix}.version_text`)) return name.slice(0, -'.version_text'.length);
  }
  return null;
}

function subscriptionSuffix(path: string): string | null {
  if (path === secretFiles.identity) return `sds.${secretNames.identity}`;
  if (path === secretFiles.trust) return `sds.${secretNames.trust}`;
  const [, kind, name] = /^(rds|ecds)\/(.+)\.json$/.exec(path) ?? [];
  if (name === undefined) return null;
  return kind === 'rds' ? `.rds.${name}` : `http_filter.${name}`;
}

function isAccepted(statistics: ReadonlyMap<string, string>, path: string, content: string): boolean {
  const subscription = subscriptionOf(statistics, path);
  if (subscription === null) return true;
  return statistics.get(`${subscription}.version_text`) === versionOf(content);
}

function refusals(statistics: ReadonlyMap<string, string>, path: string): number {
  const subscription = subscriptionOf(statistics, path);
  if (subscription === null) return 0;
  return Number(statistics.get(`${subscription}.update_rejected`) ?? 0) + Number(statistics.get(`${subscription}.update_failure`) ?? 0);
}

function versionOf(content: string): string | undefined {
  const parsed: unknown = JSON.parse(content);
  if (typeof parsed !== 'object' || parsed === null || !('version_info' in parsed)) return undefined;
  return typeof parsed.version_info === 'string' ? parsed.version_info : undefined;
}

function waiting(reason: string): ProxyStatus {
  return { kind: 'waiting', reason };
}
