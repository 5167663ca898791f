import { runCommand } from './command.ts';
import { splitList } from './lists.ts';
import type { IptablesConfig } from './types.ts';

/**
 * The same configuration with the names of users and groups replaced by their ids, as iptables would replace them and as iptables-save
 * prints them. A name that the machine does not know stays: iptables says so when the rules are written.
 */
export async function resolveOwnerNames(config: IptablesConfig, signal?: AbortSignal): Promise<IptablesConfig> {
  const resolve = async (text: string, database: 'passwd' | 'group'): Promise<string> => {
    const ids = await Promise.all(splitList(text).map((item) => idOf(item, database, signal)));
    return ids.join(',');
  };
  return {
    ...config,
    ProxyUID: await resolve(config.ProxyUID, 'passwd'),
    ProxyGID: await resolve(config.ProxyGID, 'group'),
    OwnerGroupsInclude: await resolve(config.OwnerGroupsInclude, 'group'),
    OwnerGroupsExclude: await resolve(config.OwnerGroupsExclude, 'group'),
  };
}

async function idOf(item: string, database: 'passwd' | 'group', signal?: AbortSignal): Promise<string> {
  if (item === '*') return item;
  if (/^\d+$/.test(item)) return String(Number(item));
  const result = await runCommand('getent', [database, item], signal === undefined ? {} : { signal });
  return result.exitCode === 0 ? (result.stdout.split(':')[2] ?? item) : item;
}
