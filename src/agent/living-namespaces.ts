import { readdir, readlink } from 'node:fs/promises';
import { openNetns } from '../kernel/index.ts';

/** The cookies of all network namespaces that a process lives in or that `ip netns` has given a name. A walk over /proc: start-up only. */
export async function livingCookies(): Promise<ReadonlySet<bigint>> {
  const paths = new Map<string, string>();
  for (const pid of (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name))) {
    const path = `/proc/${pid}/ns/net`;
    const identity = await readlink(path).catch(() => null);
    if (identity !== null && !paths.has(identity)) paths.set(identity, path);
  }
  for (const name of await readdir('/run/netns').catch(() => [])) paths.set(`name ${name}`, `/run/netns/${name}`);
  const cookies = new Set<bigint>();
  for (const path of paths.values()) {
    try {
      using netns = openNetns(path);
      cookies.add(netns.cookie);
    } catch {
      // the last process left between the two looks: not alive
    }
  }
  return cookies;
}
