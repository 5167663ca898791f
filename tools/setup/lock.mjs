// @ts-check
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until no other set-up of the same folder runs, then holds the place until `release`. The lock is an abstract unix socket: the kernel
 * hands it to one process only and takes it back when that process dies, so there is no lock file that could be left behind.
 * @param {string} root
 * @param {{ signal: AbortSignal, onWait: () => void }} options
 * @returns {Promise<{ release: () => void }>}
 */
export async function lock(root, { signal, onWait }) {
  const name = `\0millrace-setup-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`;
  for (let attempt = 0; ; attempt += 1) {
    const server = await listen(name);
    if (server !== null) return { release: () => server.close() };
    if (attempt === 0) onWait();
    await sleep(200, undefined, { signal });
  }
}

/**
 * @param {string} name
 * @returns {Promise<import('node:net').Server | null>} null where another process holds it
 */
function listen(name) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen(name, () => resolve(server));
  });
}
