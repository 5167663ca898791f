import { UserError } from '../base/errors.ts';

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Whether `text` is an RFC 1123 label as Kubernetes checks it: 1–63 of a-z, 0-9 and '-', alphanumeric at both ends. */
export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && label.test(text);
}

/** Whether `text` is an RFC 1123 subdomain as Kubernetes checks it: labels joined by '.', 1–253 characters in all. */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && subdomain.test(text);
}

/** A pod's name in its parts; `namespace` is null for a bare name, which stands outside any cluster. */
export interface PodName {
  readonly namespace: string | null;
  readonly name: string;
}

/**
 * Reads `namespace/name` or a bare `name`. Names become directories, cgroups and interface descriptions, so nothing but RFC 1123 passes.
 * Throws UserError POD_NAME_INVALID.
 */
export function validatePodName(text: string): PodName {
  const slash = text.indexOf('/');
  const namespace = slash < 0 ? null : text.slice(0, slash);
  const name = text.slice(slash + 1);
  if (namespace !== null && !isDnsLabel(namespace)) throw invalid(text, 'its namespace is not an RFC 1123 label');
  if (!isDnsSubdomain(name)) throw invalid(text, 'its name is not an RFC 1123 subdomain');
  return { namespace, name };
}

function invalid(text: string, reason: string): UserError {
  return new UserError(
    'POD_NAME_INVALID',
    `Cannot use this pod name because ${reason}: current value ${JSON.stringify(text.slice(0, 300))}`,
    {
      cure: "Write NAMESPACE/NAME or NAME with lower-case letters, digits, '-' and (in NAME) '.', beginning and ending with a letter or digit.",
      data: { name: text },
    },
  );
}
