import { createHash } from 'node:crypto';

/** Kubernetes' alphabet for generated names: no vowels, so that no words appear, and nothing that looks like something else. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** A stable hash of any plain value, 9 characters. Key order does not matter and source positions are left out, so that moving a document in its file rolls nothing out. */
export function templateHash(value: unknown): string {
  const digest = createHash('sha256').update(canonical(value)).digest();
  return encode(digest, 9);
}

/** Name of a pod that a Deployment owns: `sleep-7c9f5d6b4-x2k9q`. `random` gives bytes. */
export function deploymentPodName(deployment: string, hash: string, random: (bytes: number) => Uint8Array): string {
  return `${deployment.slice(0, 240)}-${hash}-${encode(random(5), 5)}`;
}

function encode(bytes: Uint8Array, length: number): string {
  let text = '';
  for (let index = 0; index < length; index += 1) text += alphabet.charAt((bytes[index] ?? 0) % alphabet.length);
  return text;
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).filter(([key, inner]) => key !== 'position' && inner !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}
