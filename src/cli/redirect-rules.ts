import { readFile } from 'node:fs/promises';
import { exitCodes, UserError } from '../base/errors.ts';
import { defineCommand } from './command.ts';

/** `millrace redirect rules`: the iptables rules of a configuration, line for line, without touching anything. */
export const redirectRules = defineCommand({
  description:
    "Prints what the iptables back end would do for a pod with this configuration, in the order in which it would do it. The keys are those of Istio's own tool (ProxyPort, InboundPortsInclude, OutboundIPRangesExclude, …); what is not named takes its default. Nothing is read from the machine and nothing is written to it.",
  arguments: {},
  options: {
    config: { kind: 'text', value: 'FILE', summary: 'a JSON object; - reads standard input' },
  },
  examples: [`echo '{"InboundPortsInclude": "*", "OutboundIPRangesInclude": "*"}' | millrace redirect rules --config -`],
  run: async ({ options, stdin, stdout, signal }) => {
    if (options.config === null) {
      throw new UserError('USAGE', 'Cannot print rules because --config is missing', {
        cure: 'Name a file with a JSON object, or - for standard input.',
        command: 'millrace redirect rules --help',
        exitCode: exitCodes.usage,
      });
    }
    const { formatPlan, parseIptablesConfig, planRules } = await import('../redirect/iptables/index.ts');
    const text = options.config === '-' ? await readAll(stdin, signal) : await readConfig(options.config, signal);
    stdout.write(formatPlan(planRules(parseIptablesConfig(parseJson(text, options.config)))));
    return exitCodes.done;
  },
});

async function readConfig(path: string, signal: AbortSignal): Promise<string> {
  return readFile(path, { encoding: 'utf8', signal }).catch((cause: unknown) => {
    if (signal.aborted) throw cause;
    throw new UserError('FILE_UNREADABLE', `Cannot read the configuration because the file does not open: ${path}`, {
      cure: 'Check the path.',
      cause,
    });
  });
}

async function readAll(stream: NodeJS.ReadableStream, signal: AbortSignal): Promise<string> {
  const { text } = await import('node:stream/consumers');
  const { addAbortSignal, Readable } = await import('node:stream');
  return text(addAbortSignal(signal, new Readable().wrap(stream)));
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UserError(
      'IPTABLES_CONFIG',
      `Cannot plan iptables rules because ${path === '-' ? 'standard input' : path} is not JSON: ${reason}`,
      {
        cure: 'Give a JSON object such as {"InboundPortsInclude": "*"}.',
        cause,
      },
    );
  }
}
