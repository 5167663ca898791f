import { proxyId } from '../plan/container-state.ts';

/** The users every pod knows, beside those its containers run as. */
const knownUsers: readonly (readonly [name: string, id: number, home: string])[] = [
  ['root', 0, '/root'],
  ['postgres', 999, '/run/volume'],
  ['istio-proxy', proxyId, '/run/volume'],
  ['nobody', 65_534, '/tmp'],
];

export interface EtcOptions {
  readonly hostname: string;
  readonly addresses: readonly string[];
  readonly resolvConf: string;
  readonly users: readonly { readonly uid: number; readonly gid: number }[];
}

/** The files of a pod's /etc by name. Users without a name are called `app-UID`, so that `whoami` and PostgreSQL find one. */
export function etcFiles(options: EtcOptions): Readonly<Record<string, string>> {
  const users = new Map(knownUsers.map(([name, id, home]) => [id, `${name}:x:${id}:${id}::${home}:/bin/sh`]));
  const groups = new Map(knownUsers.map(([name, id]) => [id, `${name}:x:${id}:`]));
  for (const { uid, gid } of options.users) {
    if (!users.has(uid)) users.set(uid, `app-${uid}:x:${uid}:${gid}::/tmp:/bin/sh`);
    if (!groups.has(gid)) groups.set(gid, `app-${gid}:x:${gid}:`);
  }
  return {
    hosts: `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${options.addresses.map((address) => `${address}\t${options.hostname}\n`).join('')}`,
    'resolv.conf': options.resolvConf,
    hostname: `${options.hostname}\n`,
    passwd: `${[...users.values()].join('\n')}\n`,
    group: `${[...groups.values()].join('\n')}\n`,
  };
}
