import type { Deviation } from './types.ts';

/** Every deliberate deviation of a back end from the contract. */
export const deviations: readonly Deviation[] = [];
