import { z } from 'zod';
import type { ServiceEntry } from '../api/types.ts';
import { UserError } from '../base/errors.ts';
import { parseIp } from '../pods/address.ts';

const address = z.string().refine((text) => parseIp(text) !== null, 'no IP address');
const port = z.int().min(1).max(65535);
const schema = z.array(
  z.strictObject({
    address,
    port,
    protocol: z.literal('TCP'),
    affinitySeconds: z.int().min(0).max(86400).optional(),
    backends: z.array(z.strictObject({ address, port })),
  }),
);

/** A call's body as the whole list of services. Throws UserError USAGE naming the field. */
export function parseServices(body: unknown): readonly ServiceEntry[] {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data.map(({ affinitySeconds = 0, ...service }) => ({ ...service, affinitySeconds }));
  const [issue] = parsed.error.issues;
  throw new UserError(
    'USAGE',
    `Cannot take over the services because the list is wrong: ${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not a list'}`,
    { cure: 'Send a list of objects with address, port, protocol TCP, affinitySeconds and backends (src/api/types.ts).' },
  );
}
