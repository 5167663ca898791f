import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { serveUnixSocket } from '../api/server.ts';
import type { Logger } from '../base/log.ts';
import { launcherPath, projectRoot } from '../base/project.ts';
import { createCgroup, findCgroup2, mountBpffs } from '../kernel/index.ts';
import type { ApplyRequest, DeleteRequest, LabOptions } from './api.ts';
import { AgentProcess } from './control/agent-process.ts';
import { ControlPlane } from './control/control-plane.ts';
import { DnsReports } from './control/dns-reports.ts';
import { NameHold } from './control/name-hold.ts';
import { nameServerPort, startNameServer } from './control/name-server.ts';
import { backendOf, Lab } from './lab.ts';
import { removeLeftovers } from './leftovers.ts';
import { LabLock, labRunning } from './lock.ts';
import { machinePrograms } from './machine.ts';
import { startHolder } from './node/holder.ts';
import { nodeNetworkBatch } from './node/network-script.ts';
import { OutsideServers } from './node/outside-servers.ts';
import type { LabPaths } from './paths.ts';
import { labPaths } from './paths.ts';
import { labNetwork } from './plan/addresses.ts';
import { meshNames } from './plan/snapshot.ts';

export interface DaemonOptions {
  readonly options: LabOptions;
  readonly log: Logger;
  /** Ends the lab when it aborts. */
  readonly signal: AbortSignal;
  /** Called once, when the API answers. */
  readonly onListening: () => void;
}

/**
 * The lab's process: builds the node, starts the agent, the control plane and the name server, serves the API, and takes everything down
 * again when told to, by signal or by call. Resolves when nothing is left.
 * @throws UserError LAB_RUNNING; MillraceError when the node cannot be built (everything is removed then, too)
 */
export async function runDaemon({ options, log, signal, onListening }: DaemonOptions): Promise<void> {
  const paths = labPaths(options.instance, findCgroup2());
  using _lock = LabLock.take(paths.lock, options.instance);
  await using stack = new AsyncDisposableStackLike();
  stack.defer(() => removeLeftovers(paths));
  // What a killed daemon left; its log is already ours.
  await removeLeftovers(paths, ['lab.pid', 'lab.log']);
  for (const cgroup of [paths.podsCgroup, paths.nodeCgroup, paths.agentCgroup]) createCgroup(cgroup);
  for (const folder of [paths.bpffs, paths.pods]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  mountBpffs(paths.bpffs);

  const ipv6 = existsSync('/proc/sys/net/ipv6');
  // the agent looks for the pods' interfaces in it
  const node = await startHolder(
    { hostname: 'millrace-node', cgroup: paths.nodeCgroup, sysctls: nodeSysctls, batch: nodeNetworkBatch(ipv6), other: null },
    signal,
  );
  stack.defer(() => node.close());
  let changed = () => {};
  const agent = new AgentProcess({
    argv: agentCommand(paths, options, node.netns),
    cgroup: paths.agentCgroup,
    socket: paths.agentSocket,
    logFile: paths.agentLog,
    log,
    onChange: () => changed(),
  });
  stack.defer(() => agent.close());
  const certificateMs = options.certificateSeconds * 1000;
  const controlPlane = await ControlPlane.create({ backend: backendOf(options), certificateMs, log });
  stack.defer(async () => controlPlane.close());

  const dist = join(projectRoot(), 'dist');
  const machine = () => machinePrograms(dist);
  const outside = new OutsideServers({ node, cgroup: paths.nodeCgroup, dist, log });
  stack.defer(() => outside.close());
  const lab = new Lab({ options, paths, machine, nodePid: node.pid, ipv6, agent, controlPlane, outside, log });
  changed = () => lab.agentChanged();
  const dns = new DnsReports({ address: labNetwork.dnsAddress, port: nameServerPort }, (report) => agent.reportDns(report), log);
  stack.defer(async () => dns[Symbol.dispose]());
  const hold = new NameHold(meshNames.clusterDomain, (answer) => agent.learnName(answer));
  const nameServer = await startNameServer({
    netns: node.netns,
    zone: () => lab.zone,
    beforeAnswer: (seen) => hold.before(seen),
    onAnswer: (seen) => dns.add(seen),
    log,
  });
  stack.defer(() => nameServer.close());
  stack.defer(() => lab.close());

  const down = new AbortController();
  const server = await serveUnixSocket({
    socketPath: paths.labSocket,
    routes: {
      'GET /v1/status': async () => {
        await agent.refresh();
        return lab.status();
      },
      'GET /v1/pods': async () => lab.pods(),
      // The only client is ours, over a socket that only root opens; it has parsed and validated the manifests.
      'POST /v1/apply': async ({ body }) => lab.apply((body as ApplyRequest).manifests),
      'POST /v1/delete': async ({ body }) => lab.delete((body as DeleteRequest).references),
      'POST /v1/down': async () => {
        await lab.close();
        // After the answer is out.
        setTimeout(() => down.abort(), 10);
        return {};
      },
    },
    running: labRunning(options.instance, null),
    log,
  });
  stack.defer(() => server.close());
  log.info({ path: paths.labSocket, pid: process.pid }, 'the lab answers');
  onListening();
  await aborted(AbortSignal.any([signal, down.signal]));
  log.info({ reason: signal.aborted ? 'signal' : 'call' }, 'the lab ends');
}

function agentCommand(paths: LabPaths, { instance, accelerate, ...lab }: LabOptions, nodeNetns: string): readonly string[] {
  const connections = lab.connections ? 'on' : 'off';
  const options = { instance, cgroup: paths.podsCgroup, pins: paths.bpffs, accelerate, connections, 'node-netns': nodeNetns };
  return [process.execPath, launcherPath(), 'agent', ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])];
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

const nodeSysctls: Readonly<Record<string, string>> = {
  'net/ipv4/ip_forward': '1',
  'net/ipv4/conf/all/rp_filter': '0',
  'net/ipv4/conf/default/rp_filter': '0',
  'net/ipv6/conf/all/disable_ipv6': '0',
  'net/ipv6/conf/default/accept_dad': '0',
  'net/ipv6/conf/all/forwarding': '1',
};

/** What AsyncDisposableStack does, which Node 20 lacks: runs what was deferred in reverse order, all of it, and reports the first failure. */
class AsyncDisposableStackLike implements AsyncDisposable {
  readonly #work: (() => Promise<void>)[] = [];

  defer(work: () => Promise<void>): void {
    this.#work.push(work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const work of this.#work.reverse()) await work().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}
