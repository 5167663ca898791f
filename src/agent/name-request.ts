import { z } from 'zod';
import type { NameAnswer } from '../api/policy-types.ts';
import { UserError } from '../base/errors.ts';
import { formatIp, parseIp, unmapIp } from '../pods/address.ts';
import { canonicalName } from '../policy/fqdn.ts';

const schema = z.strictObject({
  /** As it was asked for; printable ASCII. */
  name: z
    .string()
    .max(1024)
    .regex(/^[!-~]+$/, 'no name')
    .transform((text, context) => {
      const name = canonicalName(text);
      if (name !== '' && name.length <= 253) return name;
      context.addIssue({ code: 'custom', message: 'no name of 1 to 253 characters' });
      return z.NEVER;
    }),
  addresses: z
    .array(
      z.string().transform((text, context) => {
        const ip = parseIp(text);
        if (ip !== null) return formatIp(unmapIp(ip));
        context.addIssue({ code: 'custom', message: 'no IP address' });
        return z.NEVER;
      }),
    )
    .max(4096),
  ttl: z.int().min(0).max(0xffff_ffff),
});

/** A call's body as what DNS told a pod, the name in canonical form. Throws UserError USAGE naming the field. */
export function parseNameAnswer(body: unknown): NameAnswer {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError(
    'USAGE',
    `Cannot learn a name because the request is wrong: ${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not an object'}`,
    { cure: 'Send name, addresses and ttl in seconds (NameAnswer in src/api/policy-types.ts).' },
  );
}
