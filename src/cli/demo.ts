import { exitCodes } from '../base/errors.ts';
import type { StepResult } from '../demo/step.ts';
import type { LabOptions } from '../lab/api.ts';
import type { CommandEnvironment } from './command.ts';
import { defineCommand } from './command.ts';
import { checkInstance, instanceOption } from './instance.ts';
import { toJson } from './print.ts';

/** `millrace demo`: the articles' walkthrough, each step with what was expected and what was seen. */
export const demo = defineCommand({
  description:
    'Starts a lab of its own, deploys sleep and httpbin with sidecars, applies an AuthorizationPolicy, sends the requests of the article, and proves how they were redirected. The exit code is 1 where a step shows something else than expected.',
  arguments: {},
  options: {
    redirect: { kind: 'choice', choices: ['ebpf', 'iptables'], default: 'ebpf', summary: 'who redirects' },
    inbound: {
      kind: 'choice',
      choices: ['sk_lookup', 'bind'],
      default: 'sk_lookup',
      summary: 'how connections to a pod reach its sidecar',
    },
    keep: { kind: 'flag', summary: 'leave the lab running at the end' },
    instance: instanceOption('demo'),
    output: { kind: 'choice', short: 'o', choices: ['text', 'json'], default: 'text', summary: 'the format of the answer' },
  },
  examples: [
    'millrace demo',
    'millrace demo --redirect iptables',
    'millrace demo --keep && millrace lab exec --instance demo deploy/sleep -- sh',
  ],
  run: async ({ options, signal, stdout, stderr, env }) => {
    const { requireRoot } = await import('./require-root.ts');
    requireRoot('run the demo');
    const [{ runDemo }, { envoyPath }, { checkTools }] = await Promise.all([
      import('../demo/demo.ts'),
      import('../base/project.ts'),
      import('../lab/node/machine-check.ts'),
    ]);
    checkTools();
    const lab: LabOptions = {
      instance: checkInstance(options.instance),
      redirect: options.redirect === 'iptables' ? 'iptables' : 'ebpf',
      inbound: options.inbound === 'bind' ? 'bind' : 'sk_lookup',
      accelerate: 'auto',
      connections: true,
      certificateSeconds: 24 * 3600,
      envoy: envoyPath(env),
    };
    const text = options.output !== 'json';
    const print = stepPrinter(stdout);
    const started = performance.now();
    const results = await runDemo({
      lab,
      keep: options.keep,
      signal,
      onStart: (step) => {
        if (text && stderr.isTTY === true) stderr.write(`… ${step.title}\r`);
      },
      onResult: (result) => {
        if (text) print(result);
      },
    });
    const differing = results.filter(({ asExpected }) => !asExpected).length;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (text) {
      stdout.write(`\n${results.length - differing} of ${results.length} steps as expected, ${seconds} s\n`);
      const hint = options.keep
        ? `the lab goes on running; end it with: millrace lab down --instance ${lab.instance}`
        : 'the lab is gone; with --keep it stays, and the commands above can be typed';
      stdout.write(`${hint}\n`);
    } else {
      stdout.write(
        `${toJson({ redirect: lab.redirect, inbound: lab.redirect === 'ebpf' ? lab.inbound : null, seconds: Number(seconds), differing, steps: results })}\n`,
      );
    }
    return differing === 0 ? exitCodes.done : exitCodes.failed;
  },
});

/** Colour on a terminal, plain in a pipe. */
function stepPrinter(output: CommandEnvironment['stdout']): (result: StepResult) => void {
  const paint = (code: number, text: string): string => (output.isTTY === true ? `\u001b[${code}m${text}\u001b[0m` : text);
  return (result) => {
    const mark = result.asExpected ? paint(32, 'ok  ') : paint(31, 'FAIL');
    output.write(`${mark} ${paint(1, result.title)}\n`);
    output.write(`     ${paint(2, `$ ${result.command}`)}\n`);
    output.write(`     expected: ${result.expected}\n`);
    output.write(`     seen:     ${result.asExpected ? result.seen : paint(31, result.seen)}\n`);
    for (const line of result.evidence ?? []) output.write(`       ${paint(2, line)}\n`);
  };
}
