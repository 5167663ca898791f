import { UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

/** Has a wish written that could not be written before; `what` is it, in the plural. Never fails: that the disk is still full is in the status. */
export async function saveAgain(wish: { saveAgain(): Promise<boolean> }, what: string, log: Logger): Promise<void> {
  try {
    if (await wish.saveAgain()) log.info({}, `the ${what} are on disk again`);
  } catch (err) {
    if (!(err instanceof UserError)) log.error({ err }, `the ${what} could not be written`);
  }
}
