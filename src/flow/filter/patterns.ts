import { filterError } from './error.ts';

/** Any name, of a cluster or a node. */
const anyName = '(?:[-0-9_a-z]+(?:\\.[-0-9_a-z]+)*)';

/** One expression for domain names of which a `*` stands for any part. @throws MillraceError FILTER_INVALID */
export function fqdnPattern(field: string, patterns: readonly string[]): RegExp {
  return new RegExp(`^(?:${patterns.map((pattern) => namePattern(field, pattern)).join('|')})$`);
}

/** One expression for `node` and `cluster/node`, with `*` as in names. @throws MillraceError FILTER_INVALID */
export function nodeNamePattern(patterns: readonly string[]): RegExp {
  const sources = patterns.map((pattern) => {
    if (pattern === '') throw filterError('node_name', 'it is empty', pattern);
    const parts = pattern.split('/');
    if (parts.length > 2) throw filterError('node_name', 'it has more than one slash', pattern);
    const [cluster, node] = parts.length === 1 ? ['', parts[0] ?? ''] : [parts[0] ?? '', parts[1] ?? ''];
    return `${cluster === '' ? anyName : namePattern('node_name', cluster)}/${node === '' ? anyName : namePattern('node_name', node)}`;
  });
  return new RegExp(`^(?:${sources.join('|')})$`);
}

/** Stars of one pattern; more of them make matching slow and mean nothing. */
const mostStars = 8;

function namePattern(field: string, pattern: string): string {
  const name = pattern.trim().replace(/\.$/, '').toLowerCase();
  if (name === '') throw filterError(field, 'it is empty', pattern);
  if (name.endsWith('.')) throw filterError(field, 'it ends in more than one dot', pattern);
  if (!/^[-_.*0-9a-z]+$/.test(name))
    throw filterError(field, "it has other characters than letters, digits, '-', '_', '.' and '*'", pattern);
  if (name.split('*').length > mostStars + 1) throw filterError(field, `it has more than ${mostStars} '*'`, pattern);
  // `**` is `*`, and costs a matcher dearly
  return name.replace(/\*+/g, '*').replaceAll('.', '\\.').replaceAll('*', '[-.0-9a-z]*');
}
