import type { IptablesConfig } from '../redirect/iptables/index.ts';
import { applyRules, fromRedirectConfig, removeRules } from '../redirect/iptables/index.ts';
import type { EnrolledPod } from './enrolled-pod.ts';

/** The rules that redirect this pod, or null where programs do, or nobody. */
export function rulesOf(pod: EnrolledPod): IptablesConfig | null {
  if (!pod.request.meshed || pod.config.interceptionMode === 'NONE' || pod.backend !== 'iptables') return null;
  return fromRedirectConfig(pod.config, { dualStack: pod.config.ipv6 && pod.view.addresses.some(({ family }) => family === 6) });
}

/**
 * Brings the rules in the pod's namespace to what they should be; `before` is the same pod as it was. Returns true when there was drift, which
 * is mended behind a guard that drops all traffic. Throws UserError IPTABLES_FAILED, MACHINE_MISSING_PROGRAM.
 */
export async function applyPodRules(pod: EnrolledPod, before: EnrolledPod | null): Promise<boolean> {
  const rules = rulesOf(pod);
  const previous = before === null ? null : rulesOf(before);
  if (rules === null) {
    if (previous !== null && before !== null) await removeRules(targetOf(before), previous);
    return false;
  }
  const outcome = await applyRules(targetOf(pod), rules, previous === null ? {} : { previous });
  return outcome.kind === 'repaired';
}

/** Takes the pod's rules away; foreign ones stay. Nothing happens where programs redirect. */
export async function removePodRules(pod: EnrolledPod): Promise<void> {
  const rules = rulesOf(pod);
  if (rules !== null) await removeRules(targetOf(pod), rules);
}

/** Our own descriptor names the namespace; owners in rules are read in the user namespace of the process that the pod was named by. */
function targetOf(pod: EnrolledPod): { netns: string; userns?: string } {
  const netns = `/proc/${process.pid}/fd/${pod.netns.fd}`;
  const pid = /^\/proc\/(\d+)\/ns\/net$/.exec(pod.request.netns)?.[1];
  return pod.request.uidMap === null || pid === undefined ? { netns } : { netns, userns: `/proc/${pid}/ns/user` };
}
