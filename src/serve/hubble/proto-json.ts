import type { DescField, DescMessage, MessageShape } from '@bufbuild/protobuf';
import { ScalarType, toJson } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { isReflectMessage, reflect } from '@bufbuild/protobuf/reflect';

/**
 * A message as one line of JSON, byte for byte as Hubble's tools write it: names as in the interface, fields in its order, nothing that is not set,
 * 64-bit numbers as text, and `<`, `>` and `&` escaped for web pages.
 */
export function protoJson<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): string {
  return JSON.stringify(objectOf(reflect(schema, message))).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

function objectOf(message: ReflectMessage): Json {
  // times, wrappers and the like have forms of their own
  if (message.desc.typeName.startsWith('google.protobuf.')) return toJson(message.desc, message.message);
  // Not sorted by number, as the library would: Go's encoder goes by the order of the interface.
  return Object.fromEntries(
    message.desc.fields.filter((field) => message.isSet(field)).map((field) => [field.name, fieldOf(message, field)]),
  );
}

function fieldOf(message: ReflectMessage, field: DescField): Json {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarOf(field.scalar, message.get(field));
    case 'enum':
      return enumOf(field, message.get(field));
    case 'message':
      return objectOf(message.get(field));
    case 'list':
      return [...message.get(field)].map((item) => itemOf(field, item));
    case 'map':
      throw new Error(`cannot print the map ${field.name}: Hubble's interfaces have none`);
  }
}

function itemOf(field: DescField & { readonly fieldKind: 'list' }, item: unknown): Json {
  if (isReflectMessage(item)) return objectOf(item);
  return field.listKind === 'enum' ? enumOf(field, item) : scalarOf(field.listKind === 'scalar' ? field.scalar : ScalarType.STRING, item);
}

function enumOf(
  field: { readonly enum: { readonly values: readonly { readonly number: number; readonly name: string }[] } },
  value: unknown,
): Json {
  return field.enum.values.find(({ number }) => number === value)?.name ?? Number(value);
}

function scalarOf(type: ScalarType, value: unknown): Json {
  switch (typeof value) {
    case 'bigint':
      return value.toString();
    case 'number':
      // NaN and the infinities have names in JSON
      return (type === ScalarType.DOUBLE || type === ScalarType.FLOAT) && !Number.isFinite(value) ? String(value) : value;
    case 'boolean':
    case 'string':
      return value;
    default:
      return Buffer.from(value instanceof Uint8Array ? value : []).toString('base64');
  }
}
