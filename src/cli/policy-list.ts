import type { PolicyEntry } from '../api/policy-types.ts';
import { exitCodes } from '../base/errors.ts';
import { policyName } from '../policy/explain.ts';
import { defineCommand } from './command.ts';
import { formatTable, outputOption, printValue } from './print.ts';
import { runningInstance, runningInstanceOption } from './running-instance.ts';

/** Names of pods in one line of the table; JSON has all. */
const shownPods = 2;

/** `millrace policy list`: every policy, whom it selects, and whether it holds. */
export const policyList = defineCommand({
  description:
    'ISOLATES: the directions in which the policy denies what no rule allows. PODS: whom it selects; -o json names all of them. An invalid policy is not enforced at all; the reasons stand below the table, and those why a pod is not guarded.',
  arguments: {},
  options: { output: outputOption, instance: runningInstanceOption },
  run: async ({ options, signal, stdout }) => {
    const instance = await runningInstance(options.instance);
    const { agentClient } = await import('./agent-client.ts');
    const { policies } = await agentClient(instance).policies({ signal });
    await printValue(stdout, options.output, policies, () => listText(policies));
    return exitCodes.done;
  },
});

function listText(policies: readonly PolicyEntry[]): string {
  if (policies.length === 0) return 'there are no network policies: every pod may speak with every other\n';
  const table = formatTable(policies, [
    { title: 'KIND', value: ({ reference }) => reference.kind },
    { title: 'NAMESPACE', value: ({ reference }) => reference.namespace || '-' },
    { title: 'NAME', value: ({ reference }) => reference.name },
    { title: 'VALID', value: ({ valid }) => (valid ? 'yes' : 'NO') },
    { title: 'ISOLATES', value: ({ isolates }) => isolates.join(',') || '-' },
    { title: 'RULES', value: ({ rules }) => String(rules), align: 'right' },
    { title: 'PODS', value: ({ pods }) => podsText(pods) },
  ]);
  const problems = policies.flatMap(({ reference, valid, reasons, notEnforced }) => [
    ...(valid ? [] : [`${policyName(reference)} is invalid and not enforced: ${reasons.join('; ')}\n`]),
    ...notEnforced.map(({ pod, reason }) => `${policyName(reference)} selects ${pod}: ${reason}\n`),
  ]);
  return `${table}${problems.length === 0 ? '' : `\n${problems.join('')}`}`;
}

function podsText(pods: readonly string[]): string {
  const more = pods.length - shownPods;
  return [...pods.slice(0, shownPods), ...(more > 0 ? [`${more} more`] : [])].join(', ') || 'none';
}
