import { formatCidr, parseCidr, parseIp } from '../../pods/address.ts';

/** iptables-save prints the second name of each pair for the first. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['--to-port', '--to-ports'],
  ['--set-mark', '--set-xmark'],
]);

const marks: ReadonlySet<string> = new Set(['--mark', '--set-xmark', '--tproxy-mark']);
const masks: ReadonlySet<string> = new Set(['--nfmask', '--ctmask']);

/**
 * One form for every way of writing the same rule, so that a planned rule and the line that iptables-save prints for it compare equal: the
 * words that a protocol match implies are gone, marks are hexadecimal with their mask, ranges have their host bits cleared, and
 * options are sorted. It covers what the plan can hold; a rule of others merely has to come out as something else.
 */
export function canonicalRule(words: readonly string[]): string {
  return groupOptions(words)
    .map(canonicalOption)
    .filter((option) => option !== null)
    .sort()
    .join(' ');
}

/** The words of a rule's text; what stands in double quotes is one word. */
export function splitRule(text: string): string[] {
  return (text.match(/"(?:\\.|[^"\\])*"|\S+/g) ?? []).map((word) =>
    word.startsWith('"') ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word,
  );
}

/** The chain or target that a rule jumps or goes to, or null. */
export function jumpTarget(words: readonly string[]): string | null {
  const index = words.findIndex((word) => word === '-j' || word === '-g' || word === '--jump' || word === '--goto');
  return index < 0 ? null : (words[index + 1] ?? null);
}

interface Option {
  readonly negated: boolean;
  readonly name: string;
  readonly values: string[];
}

function groupOptions(words: readonly string[]): Option[] {
  const options: Option[] = [];
  let negated = false;
  for (const word of words) {
    if (word === '!') {
      negated = true;
    } else if (word.startsWith('-')) {
      options.push({ negated, name: aliases.get(word) ?? word, values: [] });
      negated = false;
    } else {
      options.at(-1)?.values.push(word);
    }
  }
  return options;
}

function canonicalOption({ negated, name, values }: Option): string | null {
  const value = values.join(' ');
  // `-p tcp` alone loads the match, so iptables-save names it and people do not.
  if (name === '-m' && (value === 'tcp' || value === 'udp')) return null;
  if (masks.has(name) && value === '0xffffffff') return null;
  if (name === '--on-ip' && parseIp(value)?.bytes.every((byte) => byte === 0) === true) return null;
  if ((name === '-s' || name === '-d') && !negated && isWholeRange(value)) return null;
  return `${negated ? '! ' : ''}${name} ${canonicalValue(name, value)}`.trimEnd();
}

function canonicalValue(name: string, value: string): string {
  if (name === '-s' || name === '-d') {
    const cidr = parseCidr(value);
    return cidr === null ? value : formatCidr(cidr);
  }
  if (marks.has(name)) return canonicalMark(value);
  return name === '--ctstate' ? value.split(',').sort().join(',') : value;
}

function canonicalMark(value: string): string {
  const [mark = '', mask = '0xffffffff'] = value.split('/');
  return `0x${Number(mark).toString(16)}/0x${Number(mask).toString(16)}`;
}

function isWholeRange(value: string): boolean {
  return parseCidr(value)?.prefix === 0;
}
