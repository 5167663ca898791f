import { createReadStream } from 'node:fs';
import { exitCodes, MillraceError, UserError } from '../base/errors.ts';
import { coloured, plain } from '../flow/format/colour.ts';
import { FlowPrinter } from '../flow/format/printer.ts';
import type { GetFlowsResponse } from '../serve/hubble/gen/observer/observer_pb.js';
import { GetFlowsResponseSchema } from '../serve/hubble/gen/observer/observer_pb.js';
import { protoJson } from '../serve/hubble/proto-json.ts';
import { defineCommand } from './command.ts';
import { observeOptions } from './observe/options.ts';
import { rawFiltersYaml } from './observe/raw-filters.ts';
import type { ObserveOptions } from './observe/request.ts';
import { requestOf } from './observe/request.ts';
import { askServers, readFlows, serversOf, tlsOf } from './observe/servers.ts';

/** `millrace observe`: flows of an agent or of any server of Hubble's API, with the options and in the formats of `hubble observe`. */
export const observe = defineCommand({
  description:
    'Options and formats are those of hubble observe; scripts for the one work with the other. Without --last, --first, --all, --since or --follow the newest 20 flows are shown. Filters of one kind are alternatives, filters of different kinds must all match. What the words in the output mean: docs/flows.md.',
  arguments: {},
  options: observeOptions,
  examples: [
    'millrace observe --from-label app=sleep --to-label app=sensitive-db --verdict DROPPED -o json',
    'millrace observe --follow --type l7 --http-status 5+',
    'millrace observe --server node-a:4245,node-b:4245 --since 5m',
  ],
  run: async ({ options, occurrences, signal, stdout, stderr, stdin, env }) => {
    const request = requestOf(options, occurrences, Date.now());
    if (options.output === 'table' && options.follow) {
      throw new UserError('USAGE', 'Cannot follow flows because a table needs all of them at once: current value --output table', {
        cure: 'Choose the format compact, dict or json.',
        exitCode: 2,
      });
    }
    if (options['print-raw-filters']) {
      stdout.write(rawFiltersYaml(request));
      return exitCodes.done;
    }
    const warn = (text: string): void => {
      if (!options['silent-errors']) stderr.write(text);
    };
    const input = options['input-file'];
    const answers =
      input === null
        ? askServers(await serversOf(options), request, { tls: await tlsOf(options), signal, warn })
        : readFlows(input === '-' ? stdin : createReadStream(input), input, request);
    const printer = printerOf(options, stdout.isTTY === true && env.NO_COLOR === undefined && env.TERM !== 'dumb');
    try {
      for await (const answer of answers) {
        const { out, err } = printer.print(answer);
        if (out !== '') stdout.write(out);
        if (err !== '') warn(err);
        if (signal.aborted) break;
      }
    } catch (error) {
      throw asUserError(error);
    } finally {
      stdout.write(printer.finish());
    }
    return exitCodes.done;
  },
});

interface AnswerPrinter {
  print(answer: GetFlowsResponse): { readonly out: string; readonly err: string };
  finish(): string;
}

function printerOf(options: ObserveOptions, colourful: boolean): AnswerPrinter {
  const { output } = options;
  if (output === 'json' || output === 'jsonpb') return jsonPrinter(options.debug);
  const painted = options.color === 'always' || (options.color === 'auto' && colourful);
  return new FlowPrinter({
    format: output,
    painter: painted ? coloured : plain,
    names: !options.numeric && options['ip-translation'] === 'true',
    nodeName: options['print-node-name'],
    policyNames: options['print-policy-names'],
    timeFormat: options['time-format'],
    debug: options.debug,
  });
}

/** enum relay.NodeState: what is told without --debug. */
const nodeFailures = [2, 4];

function jsonPrinter(debug: boolean): AnswerPrinter {
  return {
    print: (answer) => {
      const line = `${protoJson(GetFlowsResponseSchema, answer)}\n`;
      const { responseTypes } = answer;
      if (responseTypes.case === undefined) return { out: '', err: '' };
      if (responseTypes.case !== 'nodeStatus') return { out: line, err: '' };
      return { out: '', err: debug || nodeFailures.includes(responseTypes.value.stateChange) ? line : '' };
    },
    finish: () => '',
  };
}

/** A filter that is only looked at here (with --input-file) is the user's mistake. */
function asUserError(error: unknown): unknown {
  if (!(error instanceof MillraceError) || error instanceof UserError || error.code !== 'FILTER_INVALID') return error;
  return new UserError('FILTER_INVALID', error.message, {
    cure: 'Change the filter.',
    command: 'millrace observe --help',
    exitCode: 2,
    cause: error,
  });
}
