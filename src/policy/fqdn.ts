/** A name as policies compare it: lower case, without the last dot. */
export function canonicalName(name: string): string {
  const lower = name.trim().toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/**
 * Whether a name, in canonical form, is what a toFQDNs selector means. In a pattern `*` stands for any characters of one label (also none), a whole
 * `*` for every name, and `**.` at the beginning for one or more labels. Source: contract 2.2 and Cilium's matchPattern.
 */
export function matchesFqdn(selector: { readonly match: 'name' | 'pattern'; readonly text: string }, name: string): boolean {
  if (selector.match === 'name') return selector.text === name;
  if (selector.text === '*') return name !== '';
  const multi = selector.text.startsWith('**.');
  const labels = (multi ? selector.text.slice(3) : selector.text).split('.');
  const given = name.split('.');
  if (multi ? given.length <= labels.length : given.length !== labels.length) return false;
  const tail = given.slice(given.length - labels.length);
  return given.every((label) => label !== '') && labels.every((pattern, index) => matchesLabel(pattern, tail[index] ?? ''));
}

/** `*` is any run of characters. Linear in the label for each star, so that a hostile pattern cannot hang anybody. */
function matchesLabel(pattern: string, label: string): boolean {
  const parts = pattern.split('*');
  const [first = '', ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return label === first;
  if (!label.startsWith(first) || !label.endsWith(last) || label.length < first.length + last.length) return false;
  let at = first.length;
  const end = label.length - last.length;
  for (const part of rest) {
    const found = label.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
