import { readFileSync } from 'node:fs';
import { MillraceError } from '../base/errors.ts';
import { redirectConfigFromAnnotations } from '../pods/annotations.ts';
import type { RedirectConfig } from '../pods/types.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import { viewNetns } from '../redirect/ebpf/netns-view.ts';
import { ensureSpreadRoute } from '../redirect/ebpf/spread-route.ts';
import { compileTables } from '../redirect/ebpf/tables.ts';
import { fromRedirectConfig } from '../redirect/iptables/from-redirect-config.ts';
import type { IptablesConfig } from '../redirect/iptables/index.ts';
import { applyRules, removeRules } from '../redirect/iptables/index.ts';
import { leftoverName } from './leftovers.ts';
import type { ScratchNetns } from './network.ts';
import { createScratchNode } from './scratch-node.ts';
import type { Redirection } from './stage.ts';
import type { Mode, World } from './types.ts';

/** A way to redirect pods, ready to be used on any number of them, one after the other. */
export interface BackEnd extends AsyncDisposable {
  redirection(pod: ScratchNetns, world: World): Redirection;
}

/** The back end of a mode, with acceleration where it is wanted and there are programs. The caller disposes of it, which removes everything that it made. */
export async function openBackEnd(mode: Mode, accelerate: boolean): Promise<BackEnd> {
  return mode === 'iptables' ? iptablesBackEnd : openPrograms(mode, accelerate);
}

const podName = 'conformance/pod';

function fullConfig(config: Partial<RedirectConfig>): RedirectConfig {
  return redirectConfigFromAnnotations(podName, {}, config);
}

const iptablesBackEnd: BackEnd = {
  redirection: (pod, world) => {
    const target = { netns: pod.path, ...(world.firstId === null ? {} : { userns: pod.userns }) };
    let installed: IptablesConfig | null = null;
    return {
      install: async (other = world.config) => {
        const config = fromRedirectConfig(fullConfig(other));
        await applyRules(target, config, installed === null ? {} : { previous: installed });
        installed = config;
      },
      remove: async () => {
        await removeRules(target, installed);
        installed = null;
      },
      end: () => Promise.resolve(),
    };
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** The programs, on a cgroup of this process's own that it moves into, so that the sockets that it makes in a pod are the pod's. */
async function openPrograms(mode: 'sk_lookup' | 'bind', accelerate: boolean): Promise<BackEnd> {
  const node = await createScratchNode(leftoverName(process.pid));
  if (accelerate) node.plane.setAcceleration('on');
  return {
    redirection: (pod, world) => programs(node.plane, pod, world, mode),
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

function programs(plane: DataPlane, pod: ScratchNetns, world: World, mode: 'sk_lookup' | 'bind'): Redirection {
  return {
    install: async (other = world.config) => {
      const problem = await ensureSpreadRoute(pod.path);
      if (problem !== null) throw new MillraceError('SYS', `Cannot prepare the pod for IPv6 because of its routes: ${problem}`);
      const facts = {
        ...viewNetns(pod.handle),
        name: podName,
        cookie: pod.handle.cookie,
        backend: mode,
        meshed: true,
        uidMap: world.firstId === null ? null : readFileSync(`/proc/${pod.pid}/uid_map`, 'utf8'),
        spread6: true,
      };
      await plane.enrol(pod.handle, compileTables(facts, fullConfig(other)));
    },
    remove: () => plane.release(pod.handle.cookie),
    end: () => plane.release(pod.handle.cookie),
  };
}
