import type { Settings } from '../../abi/gen/index.ts';
import type { DataPlaneMaps } from './maps.ts';

/** What holds until somebody says otherwise: all zero, as the kernel makes the row. */
const unset: Settings = { accelerate: 0, policyEpoch: 0, aggregation: 0, flowLimit: 0, connections: 0 };

/** What holds for the whole node now. */
export function readSettings(maps: Pick<DataPlaneMaps, 'settings'>): Settings {
  return maps.settings.get(0) ?? unset;
}

/** Changes some of it and leaves the rest. One process writes; the programs read the row with every packet and message. */
export function changeSettings(maps: Pick<DataPlaneMaps, 'settings'>, change: Partial<Settings>): void {
  maps.settings.set(0, { ...readSettings(maps), ...change });
}
