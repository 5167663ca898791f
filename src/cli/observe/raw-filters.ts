import { FlowFilterSchema } from '../../serve/hubble/gen/flow/flow_pb.js';
import type { GetFlowsRequest } from '../../serve/hubble/gen/observer/observer_pb.js';
import { protoJson } from '../../serve/hubble/proto-json.ts';

/** The filters of a request as YAML, byte for byte as `hubble observe --print-raw-filters` writes them. */
export function rawFiltersYaml({ whitelist, blacklist }: GetFlowsRequest): string {
  const list = (title: string, filters: GetFlowsRequest['whitelist']): string =>
    filters.length === 0 ? '' : `${title}:\n${filters.map((filter) => `    - ${quoted(protoJson(FlowFilterSchema, filter))}\n`).join('')}`;
  const text = list('allowlist', whitelist) + list('denylist', blacklist);
  return text === '' ? '{}\n' : text;
}

function quoted(json: string): string {
  return `'${json.replaceAll("'", "''")}'`;
}
