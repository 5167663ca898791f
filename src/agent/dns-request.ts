import { z } from 'zod';
import type { DnsReport } from '../api/types.ts';
import { UserError } from '../base/errors.ts';
import type { DnsExchange } from '../flow/dns-flow.ts';
import { formatIp, parseIp, unmapIp } from '../pods/address.ts';

/** Exchanges in one call; who has more to tell says how many it skipped. */
export const longestReport = 2000;

const address = z.string().transform((text, context) => {
  const ip = parseIp(text);
  if (ip !== null) return formatIp(unmapIp(ip));
  context.addIssue({ code: 'custom', message: 'no IP address' });
  return z.NEVER;
});
const place = z.strictObject({ address, port: z.int().min(0).max(65535) });
/** A name has at most 255 bytes, each of which may be written as four characters. */
const name = z.string().max(1024);
const word = z.string().max(32);
const schema = z.strictObject({
  exchanges: z
    .array(
      z.strictObject({
        timeMs: z.number().min(0).max(Number.MAX_SAFE_INTEGER),
        latencyMs: z.number().min(0).max(3_600_000),
        transport: z.enum(['TCP', 'UDP']),
        client: place,
        server: place,
        query: name,
        type: word,
        code: z.int().min(0).max(4095),
        addresses: z.array(address).max(4096),
        names: z.array(name).max(64),
        types: z.array(word).max(64),
        ttl: z.int().min(0).max(0xffff_ffff),
      }),
    )
    .max(longestReport),
  skipped: z.int().min(0),
});

/** A call's body as what a name server answered. Throws UserError USAGE naming the field. */
export function parseDnsReport(body: unknown): { readonly exchanges: readonly DnsExchange[]; readonly skipped: number } {
  const parsed = schema.safeParse(body);
  if (parsed.success) return { exchanges: parsed.data.exchanges.map(exchangeOf), skipped: parsed.data.skipped };
  const [issue] = parsed.error.issues;
  throw new UserError(
    'USAGE',
    `Cannot take over DNS answers because the report is wrong: ${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not an object'}`,
    { cure: 'Send exchanges and skipped (DnsReport in src/api/types.ts).' },
  );
}

function exchangeOf({ timeMs, latencyMs, type, code, addresses, names, types, ttl, ...rest }: DnsReport['exchanges'][number]): DnsExchange {
  return {
    ...rest,
    timeNs: nanoseconds(timeMs),
    latencyNs: nanoseconds(latencyMs),
    types: [type],
    answer: { code, addresses, names, types, ttl },
  };
}

function nanoseconds(milliseconds: number): bigint {
  return BigInt(Math.round(milliseconds * 1000)) * 1000n;
}
