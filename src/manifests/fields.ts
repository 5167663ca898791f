import { z } from 'zod';
import { isDnsLabel, isDnsSubdomain } from '../pods/name.ts';

/**
 * A map with exactly these fields. A field that is not among them is an error, as in kubectl's strict mode. Zod's issue names only the wrong field,
 * so the message carries the right ones (comma-separated); decode.ts turns both into a sentence.
 */
export function fields<S extends z.core.$ZodLooseShape>(shape: S) {
  const known = Object.keys(shape).join(',');
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined) });
}

/** Fields that Kubernetes has and the lab has no use for: any value is accepted. */
export function unused<const N extends string>(...names: readonly N[]): Record<N, z.ZodOptional<z.ZodUnknown>> {
  // fromEntries loses the names; they are exactly those given.
  return Object.fromEntries(names.map((name) => [name, z.unknown().optional()])) as Record<N, z.ZodOptional<z.ZodUnknown>>;
}

/** Refuses a value inside a schema: `problem` completes "FIELD …". */
export function refuse(ctx: z.core.$RefinementCtx, problem: string, cure: string, path: (string | number)[] = []): void {
  ctx.addIssue({ code: 'custom', message: problem, params: { cure }, path, input: ctx.value });
}

/** A string for which `accept` holds. */
export function text(accept: (value: string) => boolean, problem: string, cure: string) {
  return z.string().superRefine((value, ctx) => {
    if (!accept(value)) refuse(ctx, problem, cure);
  });
}

/** A string that is not empty. */
export const nonEmpty = text((value) => value !== '', 'must not be empty', 'Write a value.');

/** A string that can be handed to execve. */
export const argument = text((value) => !value.includes('\0'), 'must not hold a NUL character', 'Remove the \\0.');

/** 1–63 characters of a-z, 0-9, '-'. */
export const dnsLabel = text(
  isDnsLabel,
  'must be an RFC 1123 label',
  "Use at most 63 lower-case letters, digits and '-', with a letter or digit at both ends.",
);

/** 1–253 characters of a-z, 0-9, '-', '.'. */
export const dnsSubdomain = text(
  isDnsSubdomain,
  'must be an RFC 1123 subdomain',
  "Use at most 253 lower-case letters, digits, '-' and '.', with a letter or digit at both ends of each part.",
);

/** A name of a port as containers have it (RFC 6335). */
export const servicePortName = text(
  (value) => value.length <= 15 && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(value) && /[a-z]/.test(value),
  'must be a port name',
  "Use at most 15 lower-case letters, digits and single '-', with at least one letter.",
);

/** 1–65535. */
export const portNumber = z.int().min(1).max(65535);

/** A port by number, or by the name that a container gives it. */
export const portOrName = z.unknown().transform((value, ctx): number | string => {
  const parsed = (typeof value === 'string' ? servicePortName : portNumber).safeParse(value);
  if (parsed.success) return parsed.data;
  refuse(
    ctx,
    'must be a port: a number from 1 to 65535, or the name of a container port',
    'Write a number without quotes, or a name with at least one letter.',
  );
  return z.NEVER;
});

/** TCP unless told. */
export const protocol = z
  .enum(['TCP', 'UDP', 'SCTP'])
  .optional()
  .transform((value) => value ?? 'TCP');

/** 0 or more, as Kubernetes counts (int32). */
export const count = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

function isLabelName(value: string): boolean {
  return value.length <= 63 && /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(value);
}

/** `name` or `dns.prefix/name`, as keys of labels and annotations are. */
export function isQualifiedName(value: string): boolean {
  const slash = value.indexOf('/');
  if (slash < 0) return isLabelName(value);
  return isDnsSubdomain(value.slice(0, slash)) && isLabelName(value.slice(slash + 1));
}

const keyCure = "Use NAME or DNS.PREFIX/NAME, with at most 63 letters, digits, '-', '_' and '.' in NAME.";

function stringMap(checkValue: (value: string, key: string, ctx: z.core.$RefinementCtx) => void) {
  return z.record(z.string(), z.string()).superRefine((map, ctx) => {
    for (const [key, value] of Object.entries(map)) {
      if (!isQualifiedName(key)) refuse(ctx, 'has a key that Kubernetes does not allow', keyCure, [key]);
      checkValue(value, key, ctx);
    }
  });
}

/** Labels, or the matchLabels of a selector. */
export const labels = stringMap((value, key, ctx) => {
  if (value !== '' && !isLabelName(value)) {
    refuse(ctx, 'must be a label value', "Use at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends, or ''.", [
      key,
    ]);
  }
});

/** Annotations: any text, at most 256 KiB in all. */
export const annotations = stringMap(() => {}).superRefine((map, ctx) => {
  const size = Object.entries(map).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  if (size > 256 * 1024) refuse(ctx, 'must not be larger than 256 KiB in all', 'Shorten the annotations.');
});

/** matchLabels and matchExpressions. */
export const labelSelector = fields({
  matchLabels: labels.optional(),
  matchExpressions: z
    .array(
      fields({
        key: text(isQualifiedName, 'must be the key of a label', keyCure),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).optional(),
      }).superRefine((expression, ctx) => {
        const given = expression.values?.length ?? 0;
        const needed = expression.operator === 'In' || expression.operator === 'NotIn';
        if (needed && given === 0)
          refuse(ctx, `must not be empty with operator ${expression.operator}`, 'Give the values to compare with.', ['values']);
        if (!needed && given > 0) refuse(ctx, `must be empty with operator ${expression.operator}`, 'Remove the values.', ['values']);
      }),
    )
    .optional(),
}).transform((selector) => ({
  matchLabels: selector.matchLabels ?? {},
  matchExpressions: (selector.matchExpressions ?? []).map(({ key, operator, values }) => ({ key, operator, values: values ?? [] })),
}));

/** metadata of an object, or of a pod template where `name` is optional. */
export function metadata<N extends z.ZodType<string | undefined>>(name: N) {
  return fields({
    name,
    namespace: dnsLabel.optional(),
    labels: labels.optional(),
    annotations: annotations.optional(),
    ...unused('generateName', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp'),
    ...unused('deletionGracePeriodSeconds', 'ownerReferences', 'finalizers', 'managedFields', 'selfLink'),
  });
}
