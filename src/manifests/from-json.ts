/**
 * A manifest that has been JSON on its way, as it was before: bytes of addresses are bytes again. Changes what it is given, which nobody else has, rather
 * than copy it: a cluster's are megabytes. Not a check: whoever sends manifests has parsed them.
 */
export function manifestFromJson(value: unknown): unknown {
  restore(value);
  return value;
}

function restore(value: unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (isCidr(value)) value.address = bytesOf(value.address);
  else for (const item of Object.values(value)) restore(item);
}

interface WrittenCidr {
  address: object;
}

/** JSON writes the bytes of an address as an object with their places. */
function isCidr(value: object): value is WrittenCidr {
  if (!('family' in value) || !('prefix' in value) || !('address' in value)) return false;
  return (value.family === 4 || value.family === 6) && typeof value.address === 'object' && value.address !== null;
}

function bytesOf(address: object): Uint8Array {
  return Uint8Array.from(Object.values(address).map(Number));
}
