import type { Server } from 'node:http';
import { createServer } from 'node:http';
import { closeFd, socketIn } from '../../src/kernel/index.ts';
import { labNetwork } from '../../src/lab/plan/addresses.ts';
import { parseIp } from '../../src/pods/address.ts';
import type { TestLab } from './test-lab.ts';

/**
 * A web server outside of the mesh, on the addresses of the lab's node that stand for the rest of the world. It answers with the source port
 * that it sees: the client's own one where nothing stood between.
 */
export interface OutsideServer extends AsyncDisposable {
  readonly url4: string;
  readonly url6: string;
}

export async function startOutsideServer(lab: TestLab, port: number): Promise<OutsideServer> {
  const servers = await Promise.all(
    [labNetwork.externalAddress4, labNetwork.externalAddress6].map((text) => {
      const server = createServer((request, response) => response.end(String(request.socket.remotePort)));
      return listenIn(lab.nodeNetns, server, text, port);
    }),
  );
  return {
    url4: `http://${labNetwork.externalAddress4}:${port}/`,
    url6: `http://[${labNetwork.externalAddress6}]:${port}/`,
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

/** How a pod reaches an outside server, as curl tells: `direct`, `by proxy`, or `curl N`. */
export async function wayTo(lab: TestLab, pod: string, url: string): Promise<string> {
  const { status, stdout } = await lab.exec(pod, ['curl', '-s', '-g', '-m', '5', '-w', ' %{local_port}', url]);
  if (status !== 0) return `curl ${status}`;
  const [seen, own] = stdout.split(' ');
  return seen === own ? 'direct' : 'by proxy';
}

function listenIn(netns: string, server: Server, text: string, port: number): Promise<Server> {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`no address: ${text}`);
  const fd = socketIn(netns, { type: 'tcp', family: ip.family, bind: { address: ip.bytes, port }, listen: 128, reuse: true });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      closeFd(fd);
      reject(error);
    });
    server.listen({ fd }, () => resolve(server));
  });
}
