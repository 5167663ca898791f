import { spawn } from 'node:child_process';
import { get } from 'node:http';
import { get as getTls } from 'node:https';
import type { Socket } from 'node:net';
import type { ProbeAction } from '../../manifests/types.ts';
import { connectIn } from '../node/sockets.ts';
import { toolEnvironment } from '../node/tools.ts';

/** Where a probe's packets start and go. */
export interface ProbeTarget {
  /** The pod's network namespace, /proc/PID/ns/net. */
  readonly netns: string;
  readonly address: string;
  /** Named ports of the container. */
  readonly ports: Readonly<Record<string, number>>;
  /** A shell command line that runs a command inside the container; null while it does not run. */
  readonly command: (argv: readonly string[]) => readonly string[] | null;
}

/** One attempt; true when it succeeds within the time. Never throws. */
export async function runProbe(action: ProbeAction, target: ProbeTarget, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  switch (action.kind) {
    case 'tcpSocket': {
      const port = portOf(action.port, target);
      return port !== null && (await tcpAnswers(target, port, timeout));
    }
    case 'httpGet': {
      const port = portOf(action.port, target);
      return port !== null && (await httpAnswers(target, port, action.path, action.scheme, timeout));
    }
    case 'exec': {
      const argv = target.command(action.command);
      return argv !== null && (await commandSucceeds(argv, timeout));
    }
  }
}

function portOf(port: number | string, target: ProbeTarget): number | null {
  return typeof port === 'number' ? port : (target.ports[port] ?? null);
}

function tcpAnswers(target: ProbeTarget, port: number, signal: AbortSignal): Promise<boolean> {
  return withSocket(target, port, signal, (socket, settle) => {
    socket.once('connect', () => settle(true));
  });
}

/** 200–399 is healthy, as for the kubelet; certificates are not checked there either. */
function httpAnswers(target: ProbeTarget, port: number, path: string, scheme: 'HTTP' | 'HTTPS', signal: AbortSignal): Promise<boolean> {
  return withSocket(target, port, signal, (socket, settle) => {
    const headers = { host: `${target.address}:${port}`, 'user-agent': 'kube-probe/millrace', connection: 'close' };
    const send = scheme === 'HTTP' ? get : getTls;
    const options = {
      createConnection: () => socket,
      path: path.startsWith('/') ? path : `/${path}`,
      headers,
      signal,
      rejectUnauthorized: false,
    };
    const call = send(options, (response) => {
      const status = response.statusCode ?? 0;
      response.resume();
      settle(status >= 200 && status < 400);
    });
    call.once('error', () => settle(false));
  });
}

function withSocket(
  target: ProbeTarget,
  port: number,
  signal: AbortSignal,
  use: (socket: Socket, settle: (ok: boolean) => void) => void,
): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(false);
      return;
    }
    let socket: Socket;
    try {
      socket = connectIn(target.netns, target.address, port);
    } catch {
      // The namespace is gone, or the connection was refused at once: either way it is not healthy.
      resolve(false);
      return;
    }
    const abort = () => settle(false);
    const settle = (ok: boolean) => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      resolve(ok);
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    use(socket, settle);
  });
}

function commandSucceeds(argv: readonly string[], signal: AbortSignal): Promise<boolean> {
  const [program = '/bin/false', ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'ignore', env: toolEnvironment, cwd: '/', signal, killSignal: 'SIGKILL' });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}
