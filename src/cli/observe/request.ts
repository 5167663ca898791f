import { create, fromJsonString } from '@bufbuild/protobuf';
import { FieldMaskSchema } from '@bufbuild/protobuf/wkt';
import { UserError } from '../../base/errors.ts';
import { timestampOf } from '../../flow/wall-clock.ts';
import type { FlowFilter } from '../../serve/hubble/gen/flow/flow_pb.js';
import { FlowFilterSchema } from '../../serve/hubble/gen/flow/flow_pb.js';
import type { GetFlowsRequest } from '../../serve/hubble/gen/observer/observer_pb.js';
import { GetFlowsRequestSchema } from '../../serve/hubble/gen/observer/observer_pb.js';
import type { OptionOccurrence, OptionValues } from '../command.ts';
import { filtersOf } from './filter-flags.ts';
import type { observeOptions } from './options.ts';
import { parseTimeInput } from './time-input.ts';

export type ObserveOptions = OptionValues<typeof observeOptions>;

/** As many as `hubble observe` shows when nobody says how many. */
const shownUnlessTold = 20n;
const everything = (1n << 64n) - 1n;

/** What `hubble observe` asks for when it prints for people. */
const printedFields = [
  'time',
  'verdict',
  'ethernet',
  'IP',
  'l4',
  'source.identity',
  'source.namespace',
  'source.pod_name',
  'destination.identity',
  'destination.namespace',
  'destination.pod_name',
  'Type',
  'node_name',
  'l7',
  'event_type',
  'source_service',
  'destination_service',
  'is_reply',
  'Summary',
  'ip_trace_id',
];

/** The request behind a command line. Throws UserError USAGE. */
export function requestOf(options: ObserveOptions, occurrences: readonly OptionOccurrence[], nowMs: number): GetFlowsRequest {
  const { allow, deny } = filtersOf(occurrences);
  const first = (options.first ?? 0) > 0;
  const last = (options.last ?? 0) > 0;
  for (const [one, other, clash] of [
    ['first', 'last', first && last],
    ['first', 'all', first && options.all],
    ['first', 'follow', first && options.follow],
    ['last', 'all', last && options.all],
  ] as const) {
    if (clash) throw usage(`--${one} and --${other} exclude each other`, 'both');
  }
  const since = options.since === null ? null : parseTimeInput('since', options.since, nowMs);
  const until = options.until === null || options.follow ? null : parseTimeInput('until', options.until, nowMs);
  const byTime = since !== null || until !== null;
  const asked = BigInt(first ? (options.first ?? 0) : (options.last ?? 0));
  const presetNumber = options.all ? everything : options.follow || options['input-file'] !== null ? 0n : shownUnlessTold;
  const paths = fieldPaths(options);
  return create(GetFlowsRequestSchema, {
    number: asked > 0n || byTime || first ? asked : presetNumber,
    first,
    follow: options.follow,
    whitelist: [...allow, ...options.allowlist.flatMap((text) => rawFilters('allowlist', text))],
    blacklist: [...deny, ...options.denylist.flatMap((text) => rawFilters('denylist', text))],
    ...(since === null ? {} : { since: timestampOf(since) }),
    ...(until === null ? {} : { until: timestampOf(until) }),
    ...(paths.length === 0 ? {} : { fieldMask: create(FieldMaskSchema, { paths }) }),
  });
}

function fieldPaths(options: ObserveOptions): string[] {
  const chosen = options['field-mask'].flatMap((text) => text.split(',')).filter((path) => path !== '');
  if (options.output === 'json' || options.output === 'jsonpb') return chosen;
  if (chosen.length > 0) throw usage(`the format ${options.output} needs fields that --field-mask may leave out`, chosen.join(','));
  return options['use-default-field-masks'] === 'true' ? printedFields : [];
}

/** Filters in JSON, one or several after each other. */
function rawFilters(option: string, text: string): readonly FlowFilter[] {
  try {
    return splitObjects(text).map((json) => fromJsonString(FlowFilterSchema, json));
  } catch (cause) {
    throw usage(`--${option} is not a filter in JSON (${cause instanceof Error ? cause.message : String(cause)})`, text);
  }
}

/** The objects of a text that holds several without commas, as a decoder of a stream reads them. */
function splitObjects(text: string): readonly string[] {
  const objects: string[] = [];
  let depth = 0;
  let from = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (quoted) {
      if (character === '\\') index += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') {
      quoted = true;
    } else if (character === '{') {
      depth += 1;
    } else if (character === '}' && --depth === 0) {
      objects.push(text.slice(from, index + 1));
      from = index + 1;
    }
  }
  const rest = text.slice(from);
  return rest.trim() === '' ? objects : [...objects, rest];
}

function usage(reason: string, value: string): UserError {
  return new UserError('USAGE', `Cannot ask for flows because ${reason}: current value ${value}`, {
    cure: 'The help lists what is possible.',
    command: 'millrace observe --help',
    exitCode: 2,
  });
}
