/** Environment of the system tools that the lab runs: a fixed PATH with the sbin folders, no locale, nothing of the caller's. */
export const toolEnvironment: NodeJS.ProcessEnv = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/** Programs without which no pod can be made, and the Debian package of each. */
export const requiredTools: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  sleep: 'coreutils',
};
