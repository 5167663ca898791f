import { z } from 'zod';
import type { AccelerationMode } from '../api/types.ts';
import { exitCodes, UserError } from '../base/errors.ts';

const schema = z.strictObject({ mode: z.enum(['auto', 'on', 'off']) });

/** Reads what somebody asks of acceleration. Throws UserError USAGE. Pure. */
export function parseAccelerationMode(body: unknown): AccelerationMode {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data.mode;
  throw new UserError('USAGE', `Cannot set the mode of acceleration because the call names none: current value ${JSON.stringify(body)}`, {
    cure: 'Send {"mode": "auto"}, {"mode": "on"} or {"mode": "off"}.',
    exitCode: exitCodes.usage,
  });
}
