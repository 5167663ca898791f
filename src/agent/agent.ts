import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Abi } from '../abi/gen/index.ts';
import { Acceleration } from '../accelerate/acceleration.ts';
import type { Route } from '../api/server.ts';
import { serveUnixSocket } from '../api/server.ts';
import type { AgentStatus } from '../api/types.ts';
import { Cleanup } from '../base/cleanup.ts';
import type { Logger } from '../base/log.ts';
import { closeFd, createCgroup, enableStats, FdPoller } from '../kernel/index.ts';
import { DataPlane } from '../redirect/ebpf/data-plane.ts';
import { ServiceWriter } from '../redirect/ebpf/service-writer.ts';
import { parseAccelerationMode } from './acceleration-request.ts';
import type { AgentConfig } from './config.ts';
import { parseDnsReport } from './dns-request.ts';
import { logEvents } from './events.ts';
import { probeMachine } from './machine.ts';
import { PodManager } from './pod-manager.ts';
import { parsePodRequest } from './pod-request.ts';
import { openPolicy, policyRoutes, sumOfDrift } from './policy-routes.ts';
import { alreadyRunning, assertNotRunning } from './running.ts';
import { parseServices } from './service-request.ts';
import { DesiredPods } from './state.ts';
import { mapStatus, programStatus } from './status.ts';

/**
 * Runs the node agent until `signal` is aborted: takes over or loads the programs, enrols the pods that are wished for, serves the local API
 * and mends drift. Leaves everything pinned when it ends. Throws UserError AGENT_RUNNING, ABI_MISMATCH; VerifierError.
 */
export async function runAgent(config: AgentConfig, log: Logger, signal: AbortSignal): Promise<void> {
  const startedAt = new Date(performance.timeOrigin).toISOString();
  // before anything in the kernel is touched: the programs and the ring are the other one's
  await assertNotRunning(config, 'start the agent');
  await mkdir(dirname(config.socket), { recursive: true, mode: 0o700 });
  createCgroup(config.cgroup);
  await using cleanup = new Cleanup();
  if (config.statistics) {
    const fd = enableStats();
    cleanup.defer(() => closeFd(fd));
  }
  // a third of a second of JavaScript, which is taken in while the kernel verifies the programs on another thread
  const flowsModule = import('./flows.ts');
  const elf = await readFile(config.object);
  const plane = cleanup.use(await DataPlane.open({ elf, cgroup: config.cgroup, pins: config.pins, log }));
  const desired = await DesiredPods.open(config.state, log);
  const poller = cleanup.use(new FdPoller());
  const machine = await probeMachine();
  const policy = cleanup.use(await openPolicy(config, plane, log));
  const pods = cleanup.use(new PodManager(plane, machine, desired, poller, log, policy));
  cleanup.use(logEvents(poller, plane, (cookie) => pods.nameOf(cookie), log));
  const acceleration = cleanup.use(
    await Acceleration.open({
      node: { plane, cgroup: config.cgroup, inTurn: (work) => pods.inTurn(work) },
      option: config.accelerate,
      file: config.accelerationFile,
      log,
    }),
  );
  await pods.restore();
  await policy.start();
  const services = new ServiceWriter(plane.maps);
  const { flows: flowOptions } = config;
  policy.onApplied((seconds) => flows.metrics.policyApplied(seconds));
  const readyAfterMs = Math.round(performance.now());
  const { openAgentFlows } = await flowsModule;
  const flows = cleanup.use(
    await openAgentFlows(flowOptions, {
      plane,
      poller,
      known: () => policy.held,
      interfaceName: (index) => policy.interfaceName(index),
      accessLogs: () => pods.accessLogs(),
      status: async () => ({
        pods: pods.status().length,
        drift: pods.drift.repaired + policy.drift.repaired,
        programs: await programStatus(plane, (cookie) => pods.nameOf(cookie)),
        maps: await mapStatus(plane),
      }),
      log,
    }),
  );

  const status = async (): Promise<AgentStatus> => {
    const counters = plane.counters();
    return {
      instance: config.instance,
      version: config.version,
      pid: process.pid,
      startedAt,
      readyAfterMs,
      adopted: plane.adopted,
      cgroup: config.cgroup,
      pins: config.pins,
      abiVersion: Abi.VERSION,
      rssBytes: process.memoryUsage.rss(),
      redirectMode: machine.choice,
      acceleration: acceleration.status(),
      programs: await programStatus(plane, (cookie) => pods.nameOf(cookie)),
      maps: await mapStatus(plane),
      counters,
      pods: pods.status(),
      policies: policy.status(),
      drift: sumOfDrift(pods.drift, policy.drift),
      lostEvents: counters.error_event_lost ?? 0,
      unsaved: pods.unsaved ?? policy.unsaved,
      flows: {
        socket: flowOptions.hubbleSocket,
        address: flows.service.tcpAddress,
        metrics: flows.metricsAddress,
        ...flows.service.totals(),
      },
    };
  };
  const routes: Record<string, Route> = {
    'GET /v1/status': status,
    'GET /v1/pods': async () => pods.status(),
    'PUT /v1/pods': async ({ body }) => pods.enrol(parsePodRequest(body)),
    'DELETE /v1/pods/': async ({ parameter }) => pods.release(parameter),
    'POST /v1/dns': async ({ body }) => {
      const { exchanges, skipped } = parseDnsReport(body);
      flows.addDns(exchanges, skipped);
      return {};
    },
    'GET /v1/metrics': () => flows.metrics.scrape(),
    'GET /v1/acceleration': async () => acceleration.status(),
    'PUT /v1/acceleration': async ({ body }) => acceleration.setMode(parseAccelerationMode(body)),
    ...policyRoutes(policy),
    'PUT /v1/services': async ({ body }) => services.write(parseServices(body)),
  };
  const running = alreadyRunning(config, 'start the agent');
  const server = await serveUnixSocket({ socketPath: config.socket, routes, running, log });
  cleanup.defer(() => server.close());
  // after everything that pods wait for
  acceleration.start();
  log.info({ durationMs: readyAfterMs, path: config.pins, reason: plane.adopted ? 'adopted' : 'fresh' }, 'agent is ready');
  await reconcileUntil(
    signal,
    config.reconcileEveryMs,
    async () => {
      await pods.reconcile();
      await policy.reconcile();
    },
    log,
  );
}

async function reconcileUntil(signal: AbortSignal, everyMs: number, compare: () => Promise<void>, log: Logger): Promise<void> {
  while (!signal.aborted) {
    await sleep(everyMs, signal);
    if (!signal.aborted)
      await compare().catch((err: unknown) => log.error({ err }, 'the kernel could not be compared with what should be there'));
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}
