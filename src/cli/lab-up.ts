import { join } from 'node:path';
import { exitCodes, UserError } from '../base/errors.ts';
import type { LabOptions } from '../lab/api.ts';
import type { ParsedManifests } from '../manifests/parse.ts';
import { modeOf } from './acceleration-words.ts';
import type { CommandEnvironment } from './command.ts';
import { defineCommand } from './command.ts';
import { checkInstance } from './instance.ts';
import { defaultNamespaceOption, fileOption, labInstance, printWarnings, readFiles, suffix } from './lab-options.ts';

const dayInSeconds = 24 * 3600;

/** `millrace lab up`: start a lab in the background and wait until its pods are ready. */
export const labUp = defineCommand({
  description:
    'Pods are network namespaces, cgroups and processes of this machine; Envoy is the real one. Without -f the sample is started: sleep, httpbin and sensitive-db in the namespace demo.',
  arguments: {},
  options: {
    file: fileOption,
    namespace: defaultNamespaceOption,
    redirect: { kind: 'choice', choices: ['ebpf', 'iptables', 'none'], default: 'ebpf', summary: 'who redirects; none: no sidecars' },
    inbound: {
      kind: 'choice',
      choices: ['sk_lookup', 'bind'],
      default: 'sk_lookup',
      summary: 'how connections to a pod reach its sidecar',
    },
    accelerate: {
      kind: 'choice',
      choices: ['auto', 'on', 'off'],
      default: 'auto',
      summary: "connections between pods past TCP; auto: where the agent's self-test passes",
    },
    connections: {
      kind: 'choice',
      choices: ['on', 'off'],
      default: 'on',
      summary: 'tell of each connection when it opens and, with its bytes, when it closes (millrace observe)',
    },
    timeout: {
      kind: 'number',
      value: 'SECONDS',
      minimum: 1,
      maximum: 3600,
      default: 60,
      summary: 'how long to wait until every pod is ready',
    },
    'cert-ttl': {
      kind: 'number',
      value: 'SECONDS',
      minimum: 2,
      maximum: 365 * dayInSeconds,
      default: dayInSeconds,
      summary: 'how long workload certificates are valid',
    },
    instance: labInstance,
  },
  examples: ['millrace lab up', 'millrace lab up -f shop/ -n shop --redirect iptables'],
  run: async ({ options, signal, stdout, stderr, env }) => {
    const started = performance.now();
    const instance = checkInstance(options.instance);
    const { requireRoot } = await import('./require-root.ts');
    requireRoot('run a lab');
    const parsed = await manifestsFor(options.file, options.namespace, { signal });
    const [{ checkTools }, { validateObjects }, { LabObjects }, { envoyPath }, { installFortio }] = await Promise.all([
      import('../lab/node/machine-check.ts'),
      import('../lab/plan/validate.ts'),
      import('../lab/plan/objects.ts'),
      import('../base/project.ts'),
      import('../lab/images/fortio-install.ts'),
    ]);
    checkTools();
    // Here, where the places in the files are known, and before anything is started.
    validateObjects(new LabObjects().apply(parsed.manifests).objects);
    await installFortio(parsed.manifests, { signal, onStart: (version) => stderr.write(`installing fortio ${version} with go\n`) });
    const labOptions: LabOptions = {
      instance,
      redirect: options.redirect === 'iptables' || options.redirect === 'none' ? options.redirect : 'ebpf',
      inbound: options.inbound === 'bind' ? 'bind' : 'sk_lookup',
      accelerate: modeOf(options.accelerate) ?? 'auto',
      connections: options.connections === 'on',
      certificateSeconds: options['cert-ttl'],
      envoy: options.redirect === 'none' ? null : envoyPath(env),
    };
    const { startDaemon } = await import('../lab/start.ts');
    await startDaemon(labOptions);
    const [{ LabClient }, { stopLab }] = await Promise.all([import('../lab/client.ts'), import('../lab/stop.ts')]);
    const client = new LabClient(instance);
    try {
      const { warnings } = await client.apply(parsed.manifests, { signal });
      printWarnings(stderr, [...parsed.warnings, ...warnings]);
    } catch (error) {
      // Refused or interrupted before there was anything to look at: leave nothing.
      await stopLab(instance);
      throw error;
    }
    const { LabProgress } = await import('./lab-progress.ts');
    const { untilSettled } = await import('../lab/wait.ts');
    const progress = new LabProgress(stderr, stderr.isTTY === true);
    const result = await untilSettled(client, { timeoutMs: options.timeout * 1000, signal, onStatus: (status) => progress.show(status) });
    progress.end();
    if (result.kind === 'interrupted') {
      await stopLab(instance);
      return exitCodes.failed;
    }
    if (result.kind === 'not ready') {
      throw new UserError('LAB_NOT_READY', `Cannot say that the lab is ready because ${result.reason}`, {
        cure: `The lab goes on running. Look into it with lab status and lab logs, or end it with: millrace lab down${suffix(instance)}`,
        command: `millrace lab status${suffix(instance)}`,
      });
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const count = result.status.pods.length;
    stdout.write(`lab ${instance} is ready: ${count} ${count === 1 ? 'pod' : 'pods'} in ${seconds} s\n`);
    return exitCodes.done;
  },
});

async function manifestsFor(
  files: readonly string[],
  namespace: string | null,
  environment: Pick<CommandEnvironment, 'signal'>,
): Promise<ParsedManifests> {
  if (files.length > 0) return readFiles(files, namespace, environment);
  const [{ sampleFiles, sampleNamespace }, { projectRoot }] = await Promise.all([
    import('../manifests/sample-files.ts'),
    import('../base/project.ts'),
  ]);
  const root = projectRoot();
  return readFiles(
    sampleFiles.map((file) => join(root, file)),
    namespace ?? sampleNamespace,
    environment,
  );
}
