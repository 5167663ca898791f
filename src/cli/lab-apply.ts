import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { checkInstance } from './instance.ts';
import { defaultNamespaceOption, fileOption, labInstance, printWarnings, readFiles } from './lab-options.ts';
import { printOutcomes } from './lab-outcomes.ts';

/** `millrace lab apply`: create and change objects. */
export const labApply = defineCommand({
  description:
    'Creates the objects of the files, or changes those that are there. All of them or none. Returns when the running proxies have taken the change; pods are replaced after that (see lab status).',
  arguments: {},
  options: { file: fileOption, namespace: defaultNamespaceOption, instance: labInstance },
  examples: ['millrace lab apply -n demo -f examples/policy-article/istio-l7-policy.yaml'],
  run: async ({ options, signal, stdout, stderr }) => {
    const instance = checkInstance(options.instance);
    const parsed = await readFiles(options.file, options.namespace, { signal });
    const [{ LabClient }, { checkImages }, { installFortio }] = await Promise.all([
      import('../lab/client.ts'),
      import('../lab/images/table.ts'),
      import('../lab/images/fortio-install.ts'),
    ]);
    // Also here, where the place in the file is known.
    checkImages(parsed.manifests);
    await installFortio(parsed.manifests, { signal, onStart: (version) => stderr.write(`installing fortio ${version} with go\n`) });
    const response = await new LabClient(instance).apply(parsed.manifests, { signal });
    printOutcomes(stdout, response);
    printWarnings(stderr, [...parsed.warnings, ...response.warnings]);
    return exitCodes.done;
  },
});
