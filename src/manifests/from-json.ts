/**
 * A manifest that has been JSON on its way, as it was before: bytes of addresses are bytes again. Answers other values as they are.
 * Not a check: whoever sends manifests has parsed them.
 */
export function manifestFromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(manifestFromJson);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const entries = Object.entries(value);
  if (isCidr(value)) return { ...value, address: bytesOf(value.address) };
  return Object.fromEntries(entries.map(([key, item]) => [key, manifestFromJson(item)]));
}

interface WrittenCidr {
  readonly address: object;
}

/** JSON writes the bytes of an address as an object with their places. */
function isCidr(value: object): value is WrittenCidr {
  if (!('family' in value) || !('prefix' in value) || !('address' in value)) return false;
  return (value.family === 4 || value.family === 6) && typeof value.address === 'object' && value.address !== null;
}

function bytesOf(address: object): Uint8Array {
  return Uint8Array.from(Object.values(address).map(Number));
}
