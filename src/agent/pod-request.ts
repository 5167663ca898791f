import { z } from 'zod';
import { UserError } from '../base/errors.ts';
import type { PodRequest } from '../pods/types.ts';

const schema = z.strictObject({
  name: z.string().min(1).max(253),
  netns: z.string().startsWith('/'),
  labels: z.record(z.string(), z.string()),
  annotations: z.record(z.string(), z.string()),
  uidMap: z.string().nullable(),
  meshed: z.boolean(),
  backend: z.enum(['auto', 'sk_lookup', 'bind', 'iptables']),
  serviceAccount: z.string().min(1).max(253).optional(),
  namedPorts: z
    .array(z.strictObject({ name: z.string(), protocol: z.enum(['TCP', 'UDP', 'SCTP']), port: z.int().min(1).max(65535) }))
    .optional(),
  workload: z.strictObject({ kind: z.string(), name: z.string() }).optional(),
  accessLog: z.string().startsWith('/').nullable().optional(),
});

/** A call's body as a request to enrol a pod. Throws UserError USAGE naming the field. */
export function parsePodRequest(body: unknown): PodRequest {
  const parsed = schema.safeParse(body);
  if (parsed.success) {
    const { serviceAccount, namedPorts, workload, ...rest } = parsed.data;
    return {
      ...rest,
      ...(serviceAccount === undefined ? {} : { serviceAccount }),
      ...(namedPorts === undefined ? {} : { namedPorts }),
      ...(workload === undefined ? {} : { workload }),
    };
  }
  const [issue] = parsed.error.issues;
  throw new UserError(
    'USAGE',
    `Cannot enrol a pod because the request is wrong: ${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not an object'}`,
    {
      cure: 'Send an object with name, netns, labels, annotations, uidMap, meshed and backend (src/pods/types.ts).',
    },
  );
}
