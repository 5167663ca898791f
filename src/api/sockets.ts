import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';

/** Whether a process accepts connections on this unix socket. */
export function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** The other instances on this machine whose socket of the same name answers, in the order of their names. */
export async function otherInstances(socketPath: string): Promise<readonly string[]> {
  const instances = dirname(dirname(socketPath));
  const names = await readdir(instances).catch(() => []);
  const others = names.filter((name) => name !== instanceOf(socketPath)).sort();
  const running = await Promise.all(others.map((name) => answers(join(instances, name, basename(socketPath)))));
  return others.filter((_, index) => running[index]);
}

/** The instance that a socket belongs to: /run/millrace/INSTANCE/… */
export function instanceOf(socketPath: string): string {
  return basename(dirname(socketPath));
}
