import { exitCodes } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { checkInstance } from './instance.ts';
import { labInstance, podNamespaceOption } from './lab-options.ts';

/** `millrace lab logs`: what a container has written. */
export const labLogs = defineCommand({
  description:
    'Standard output and standard error of a container, all of its starts. POD as for lab exec. The sidecar is the container istio-proxy; its access log is there.',
  arguments: { POD: { kind: 'required', summary: 'which pod' } },
  options: {
    container: { kind: 'text', short: 'c', value: 'NAME', summary: 'which container; the first application one unless given' },
    follow: { kind: 'flag', short: 'f', summary: 'go on with what is written from now on' },
    tail: { kind: 'number', value: 'N', minimum: 0, maximum: 1_000_000, summary: 'only the last N lines' },
    namespace: podNamespaceOption,
    instance: labInstance,
  },
  run: async ({ arguments: { POD: pod }, options, signal, stdout }) => {
    const instance = checkInstance(options.instance);
    const { findContainer } = await import('../lab/exec.ts');
    const { container } = await findContainer({ instance, pod, container: options.container, namespace: options.namespace, signal });
    const { readLog } = await import('../lab/logs.ts');
    for await (const chunk of readLog(container.log, { tail: options.tail, follow: options.follow, signal })) stdout.write(chunk);
    return exitCodes.done;
  },
});
