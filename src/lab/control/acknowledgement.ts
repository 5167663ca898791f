import { get } from 'node:http';
import { connectIn } from '../node/sockets.ts';

const adminPort = 15000;
const longestAnswer = 1024 * 1024;

/** The versions of configuration that an Envoy says it runs, from the text of its statistics. Pure. */
export function runningVersions(statistics: string): ReadonlySet<string> {
  const versions = new Set<string>();
  for (const line of statistics.split('\n')) {
    const version = /version_text: "([^"]*)"$/.exec(line.trim())?.[1];
    if (version !== undefined) versions.add(version);
  }
  return versions;
}

/** Asks a pod's proxy which versions it runs. Empty while it does not answer. */
export async function askVersions(netns: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  try {
    return runningVersions(await adminGet(netns, '/stats?filter=version_text', signal));
  } catch {
    // Not up, or going down: nothing is known of it.
    return new Set();
  }
}

function adminGet(netns: string, path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectIn(netns, '127.0.0.1', adminPort);
    socket.once('error', reject);
    const call = get({ createConnection: () => socket, path, headers: { host: 'localhost', connection: 'close' }, signal }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        if (text.length < longestAnswer) text += chunk.toString('latin1');
      });
      response.once('end', () => {
        socket.destroy();
        resolve(text);
      });
      response.once('error', reject);
    });
    call.once('error', (error) => {
      socket.destroy();
      reject(error);
    });
  });
}
