import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { checkInstance } from './instance.ts';
import { defaultNamespaceOption, fileOption, labInstance, readFiles } from './lab-options.ts';
import { printOutcomes } from './lab-outcomes.ts';

/** `millrace lab delete`: remove the objects that files name. */
export const labDelete = defineCommand({
  description:
    'Removes the objects that the files name; a Namespace takes everything in it along. Objects that are not there are reported and make the exit code 1, unless --ignore-not-found is given.',
  arguments: {},
  options: {
    file: fileOption,
    namespace: defaultNamespaceOption,
    'ignore-not-found': { kind: 'flag', summary: 'objects that are not there are no failure' },
    instance: labInstance,
  },
  run: async ({ options, signal, stdout }) => {
    const instance = checkInstance(options.instance);
    const { manifests } = await readFiles(options.file, options.namespace, { signal });
    const { LabClient } = await import('../lab/client.ts');
    const references = manifests.map(({ kind, metadata: { namespace, name } }) => ({ kind, namespace, name }));
    const response = await new LabClient(instance).delete(references, { signal });
    printOutcomes(stdout, response);
    const missing = response.outcomes.some(({ outcome }) => outcome === 'not found');
    return missing && !options['ignore-not-found'] ? exitCodes.failed : exitCodes.done;
  },
});
