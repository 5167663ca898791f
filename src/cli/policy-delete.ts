import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { defaultNamespaceOption, fileOption, printWarnings, readFiles } from './lab-options.ts';
import { printOutcomes } from './lab-outcomes.ts';
import { runningInstance, runningInstanceOption } from './running-instance.ts';

/** `millrace policy delete`: remove the policies that files name. */
export const policyDelete = defineCommand({
  description:
    'Removes the policies that the files name, by kind, namespace and name; what else is in the files is left alone. Returns when the kernel judges without them. Policies that are not there are reported and make the exit code 1, unless --ignore-not-found is given.',
  arguments: {},
  options: {
    file: fileOption,
    namespace: defaultNamespaceOption,
    'ignore-not-found': { kind: 'flag', summary: 'policies that are not there are no failure' },
    instance: runningInstanceOption,
  },
  examples: ['millrace policy delete -f examples/policy-article/dummy-db-and-policy.yaml'],
  run: async ({ options, signal, stdout, stderr }) => {
    const { manifests } = await readFiles(options.file, options.namespace, { signal });
    const { onlyPolicies, policyStore } = await import('./policy-store.ts');
    const { policies, warnings } = onlyPolicies(manifests);
    const references = policies.map(({ kind, metadata: { namespace, name } }) => ({ kind, namespace, name }));
    const store = await policyStore(await runningInstance(options.instance), signal);
    const outcomes = await store.delete(references);
    printOutcomes(stdout, { outcomes });
    printWarnings(stderr, warnings);
    const missing = outcomes.some(({ outcome }) => outcome === 'not found');
    return missing && !options['ignore-not-found'] ? exitCodes.failed : exitCodes.done;
  },
});
