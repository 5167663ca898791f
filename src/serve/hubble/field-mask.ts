import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { MillraceError } from '../../base/errors.ts';
import type { Flow } from './gen/flow/flow_pb.js';
import { FlowSchema } from './gen/flow/flow_pb.js';

/** Fields to keep: `true` keeps all of it, a map only those within. */
type Mask = Map<DescField, Mask | true>;

/**
 * What `hubble observe` prints for people and does not ask for: its own mask leaves these out, and then every verdict shows as `none
 * TRAFFIC_DIRECTION_UNKNOWN`. They go to whoever asks for the summary, which only that mask does.
 */
const companions = [
  'traffic_direction',
  'policy_match_type',
  'egress_allowed_by',
  'ingress_allowed_by',
  'egress_denied_by',
  'ingress_denied_by',
  'sock_xlate_point',
  'source_names',
  'destination_names',
];

/**
 * A function that keeps only the fields named by paths such as `source.pod_name`; null where no paths are given and all is kept.
 * @throws MillraceError FILTER_INVALID for a path that names no field
 */
export function compileFieldMask(paths: readonly string[]): ((flow: Flow) => Flow) | null {
  if (paths.length === 0) return null;
  const mask: Mask = new Map();
  for (const path of paths.includes('Summary') ? [...paths, ...companions] : paths) add(mask, FlowSchema, path.split('.'), path);
  return (flow) => {
    const kept = create(FlowSchema);
    copy(FlowSchema, flow, kept, mask);
    return kept;
  };
}

function add(mask: Mask, message: DescMessage, names: readonly string[], path: string): void {
  const [name = '', ...rest] = names;
  const field = message.fields.find((candidate) => candidate.name === name);
  if (field === undefined || (rest.length > 0 && field.fieldKind !== 'message')) {
    throw new MillraceError(
      'FILTER_INVALID',
      `Cannot mask fields because a path names no field of a flow: current value ${JSON.stringify(path)}`,
      { data: { path } },
    );
  }
  const before = mask.get(field);
  if (before === true) return;
  if (rest.length === 0 || field.fieldKind !== 'message') {
    mask.set(field, true);
    return;
  }
  const inner: Mask = before ?? new Map();
  mask.set(field, inner);
  add(inner, field.message, rest, path);
}

function copy(schema: DescMessage, from: object, to: object, mask: Mask): void {
  // The descriptors and the messages are of one generated schema; its reflection checks that again for each value.
  const source = reflect(schema, from as never);
  const target = reflect(schema, to as never);
  for (const [field, inner] of mask) {
    if (!source.isSet(field)) continue;
    if (inner !== true && field.fieldKind === 'message') {
      const kept = create(field.message);
      const whole = source.get(field);
      copy(field.message, whole.message, kept, inner);
      target.set(field, reflect(field.message, kept));
    } else {
      setWhole(source, target, field);
    }
  }
}

type Reflected = ReturnType<typeof reflect>;

function setWhole(source: Reflected, target: Reflected, field: DescField): void {
  switch (field.fieldKind) {
    case 'list': {
      const list = target.get(field);
      for (const item of source.get(field)) list.add(item);
      break;
    }
    case 'map': {
      const map = target.get(field);
      for (const [key, value] of source.get(field)) map.set(key, value);
      break;
    }
    default:
      target.set(field, source.get(field));
  }
}
