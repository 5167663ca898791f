import { MillraceError } from '../../base/errors.ts';
import type { OpenNetns } from './netns.ts';
import type { IptablesConfig } from './types.ts';

/**
 * What the rules need beside the tables. TPROXY: packets with the mark must be routed to this machine, or the socket lookup never sees
 * them. IPv6: ::6 must be an address of lo, as 127.0.0.6 is by itself, so that the proxy can send from it.
 */
export interface RoutingItem {
  readonly kind: 'rule' | 'route' | 'address';
  readonly family: 4 | 6;
  /** The arguments of `ip` that make it; removing replaces `add` by `del`. */
  readonly args: readonly string[];
}

const passthroughAddress = '::6';

/** The items that a configuration needs. Pure. */
export function routingItems(config: IptablesConfig): RoutingItem[] {
  if (config.InboundInterceptionMode === 'NONE') return [];
  const v6 = config.EnableIPv6 || config.DualStack;
  const items: RoutingItem[] = v6
    ? [{ kind: 'address', family: 6, args: ['address', 'add', `${passthroughAddress}/128`, 'dev', 'lo'] }]
    : [];
  if (config.InboundInterceptionMode !== 'TPROXY') return items;
  const table = config.InboundTProxyRouteTable;
  for (const family of v6 ? ([4, 6] as const) : ([4] as const)) {
    items.push({ kind: 'rule', family, args: ['rule', 'add', 'fwmark', config.InboundTProxyMark, 'lookup', table] });
    items.push({ kind: 'route', family, args: ['route', 'add', 'local', 'default', 'dev', 'lo', 'table', table] });
  }
  return items;
}

/** The line that makes an item, for messages and reports of drift. */
export function formatRoutingItem(item: RoutingItem): string {
  return ['ip', `-${item.family}`, ...item.args].join(' ');
}

/** Which of the items are there. */
export async function presentRoutingItems(netns: OpenNetns, items: readonly RoutingItem[], signal?: AbortSignal): Promise<RoutingItem[]> {
  const present: RoutingItem[] = [];
  for (const item of items) {
    if (await isPresent(netns, item, signal)) present.push(item);
  }
  return present;
}

/** Makes the items. @throws MillraceError IPTABLES_FAILED with what `ip` said. */
export async function addRoutingItems(netns: OpenNetns, items: readonly RoutingItem[], signal?: AbortSignal): Promise<void> {
  for (const item of items) await runIp(netns, [`-${item.family}`, ...item.args], signal);
}

/** Takes the items away. @throws MillraceError IPTABLES_FAILED with what `ip` said. */
export async function removeRoutingItems(netns: OpenNetns, items: readonly RoutingItem[], signal?: AbortSignal): Promise<void> {
  for (const item of items) {
    await runIp(netns, [`-${item.family}`, ...item.args.map((arg) => (arg === 'add' ? 'del' : arg))], signal);
  }
}

async function isPresent(netns: OpenNetns, item: RoutingItem, signal?: AbortSignal): Promise<boolean> {
  const family = `-${item.family}`;
  const table = item.args.at(-1) ?? '';
  switch (item.kind) {
    case 'address': {
      const links = readRecords(await runIp(netns, [family, '-j', 'address', 'show', 'dev', 'lo'], signal));
      return links.flatMap((link) => recordsOf(link.addr_info)).some((info) => info.local === passthroughAddress);
    }
    case 'rule': {
      const mark = Number(item.args[3]);
      const rules = readRecords(await runIp(netns, [family, '-j', 'rule', 'show'], signal));
      return rules.some((rule) => Number(rule.fwmark) === mark && rule.table === table && rule.fwmask === undefined);
    }
    case 'route': {
      // Asked for one table, `ip` fails when no route was ever put into it; asked for all, it does not.
      const routes = readRecords(await runIp(netns, [family, '-j', 'route', 'show', 'table', 'all'], signal));
      return routes.some(
        (route) => route.type === 'local' && route.dst === 'default' && route.dev === 'lo' && String(route.table) === table,
      );
    }
  }
}

async function runIp(netns: OpenNetns, args: readonly string[], signal?: AbortSignal): Promise<string> {
  const result = await netns.run('ip', args, signal === undefined ? {} : { signal });
  if (result.exitCode === 0) return result.stdout;
  throw new MillraceError('IPTABLES_FAILED', `Cannot prepare the routing of ${netns.path} because ip refused: ${result.stderr.trim()}`, {
    data: { command: ['ip', ...args].join(' '), stderr: result.stderr },
  });
}

/** `ip -j` prints an array of objects; nothing at all in place of an empty one. */
function readRecords(text: string): Record<string, unknown>[] {
  return recordsOf(text.trim() === '' ? [] : JSON.parse(text));
}

function recordsOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : [];
}
