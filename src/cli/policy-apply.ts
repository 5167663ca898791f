import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { defaultNamespaceOption, fileOption, printWarnings, readFiles } from './lab-options.ts';
import { printOutcomes } from './lab-outcomes.ts';
import { runningInstance, runningInstanceOption } from './running-instance.ts';

/** `millrace policy apply`: add and change policies. */
export const policyApply = defineCommand({
  description:
    'Adds the policies of the files, or changes those that are there, in a lab or at an agent on its own. Returns when the kernel judges by them. Other objects in the files are left alone. The exit code is 1 where one of the policies is invalid, or cannot be enforced at a pod that it selects; it says which and why.',
  arguments: {},
  options: { file: fileOption, namespace: defaultNamespaceOption, instance: runningInstanceOption },
  examples: ['millrace policy apply -f examples/policy-article/dummy-db-and-policy.yaml'],
  run: async ({ options, signal, stdout, stderr }) => {
    const parsed = await readFiles(options.file, options.namespace, { signal });
    const { onlyPolicies, policyStore, printUnenforced } = await import('./policy-store.ts');
    const { policies, warnings } = onlyPolicies(parsed.manifests);
    const instance = await runningInstance(options.instance);
    printOutcomes(stdout, { outcomes: await (await policyStore(instance, signal)).apply(policies) });
    printWarnings(stderr, [...parsed.warnings, ...warnings]);
    return (await printUnenforced(stderr, instance, policies, signal)) === 0 ? exitCodes.done : exitCodes.failed;
  },
});
