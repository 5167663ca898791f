// @ts-check

/** `mr_pod_flags` → `PodFlags`. @param {string} name */
export function typeName(name) {
  return words(name.replace(/^mr_/, '')).map(capital).join('');
}

/** `outbound_port` → `outboundPort`. @param {string} name */
export function fieldName(name) {
  const [first = '', ...rest] = words(name);
  return [first, ...rest.map(capital)].join('');
}

/** `PodFlags` → `podFlags`. @param {string} name */
export function valueName(name) {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/** `mr_pod_flags` → `pod-flags`. @param {string} name */
export function fileName(name) {
  return words(name.replace(/^mr_/, '')).join('-');
}

/**
 * The keys of an enum without the longest prefix of whole words that all have in common; every key keeps at least one word. A single key
 * loses the words of the enum's own name.
 * @param {string} enumName
 * @param {readonly string[]} keys
 * @returns {string[]}
 */
export function stripCommonPrefix(enumName, keys) {
  const split = keys.map((key) => key.split('_'));
  const reference = split.length > 1 ? (split[0] ?? []) : enumName.toUpperCase().split('_');
  const longest = Math.min(...split.map((parts) => parts.length - 1));
  let common = 0;
  while (common < longest && split.every((parts) => parts[common] === reference[common])) common += 1;
  return split.map((parts) => parts.slice(common).join('_'));
}

/** @param {string} name */
function words(name) {
  return name.split('_').filter((word) => word !== '');
}

/** @param {string} word */
function capital(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
