/** One direction of a connection as conntrack sees it; ports are null for protocols without any. */
export interface ConntrackTuple {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
}

/** One entry of the connection tracking table. */
export interface ConntrackEntry {
  readonly family: 4 | 6;
  /** `tcp`, `udp`, `icmp`, … */
  readonly protocol: string;
  /** Seconds until it is forgotten; null where the kernel does not say (offloaded flows). */
  readonly timeoutSeconds: number | null;
  /** TCP and SCTP: ESTABLISHED, SYN_SENT, …; null for protocols without states. */
  readonly state: string | null;
  /** As the first packet was. */
  readonly original: ConntrackTuple;
  /** What replies carry: after REDIRECT its source is not the original destination. */
  readonly reply: ConntrackTuple;
  /** ASSURED, UNREPLIED, OFFLOAD, … */
  readonly flags: readonly string[];
  readonly mark: number;
  readonly zone: number;
}

/** What an entry must be to be wanted; each field that is absent lets all through. Addresses and ports are those of the original direction. */
export interface ConntrackFilter {
  readonly family?: 4 | 6;
  readonly protocol?: string;
  readonly source?: string;
  readonly sourcePort?: number;
  readonly destination?: string;
  readonly destinationPort?: number;
  readonly state?: string;
  /** true: only connections whose destination was rewritten (REDIRECT, DNAT); false: only the others. */
  readonly redirected?: boolean;
}

/** Reads what `conntrack -L` (with or without `-o extended`) and /proc/net/nf_conntrack print; lines without two tuples are ignored. Pure. */
export function parseConntrack(text: string): ConntrackEntry[] {
  return text.split('\n').flatMap((line) => {
    const entry = parseLine(line.trim());
    return entry === null ? [] : [entry];
  });
}

/** True where the reply does not come from where the first packet was sent. */
export function isRedirected(entry: ConntrackEntry): boolean {
  return entry.reply.source !== entry.original.destination || entry.reply.sourcePort !== entry.original.destinationPort;
}

/** Whether a filter lets an entry through. */
export function matchesConntrack(entry: ConntrackEntry, filter: ConntrackFilter): boolean {
  const wanted: readonly (readonly [unknown, unknown])[] = [
    [filter.family, entry.family],
    [filter.protocol, entry.protocol],
    [filter.source, entry.original.source],
    [filter.sourcePort, entry.original.sourcePort],
    [filter.destination, entry.original.destination],
    [filter.destinationPort, entry.original.destinationPort],
    [filter.state, entry.state],
    [filter.redirected, isRedirected(entry)],
  ];
  return wanted.every(([want, have]) => want === undefined || want === have);
}

type Keys = 'src' | 'dst' | 'sport' | 'dport';

function parseLine(line: string): ConntrackEntry | null {
  const words = line.split(/\s+/);
  // /proc and `-o extended` put the family and its number before the protocol.
  if (words[0] === 'ipv4' || words[0] === 'ipv6') words.splice(0, 2);
  const [protocol = '', , ...rest] = words;
  const tuples: Partial<Record<Keys, string>>[] = [];
  const fields = new Map<string, string>();
  const flags: string[] = [];
  const head: string[] = [];
  for (const word of rest) {
    const equals = word.indexOf('=');
    const key = word.slice(0, Math.max(0, equals));
    if (word.startsWith('[')) {
      flags.push(word.replace(/[[\]]/g, ''));
    } else if (key === 'src') {
      tuples.push({ src: word.slice(equals + 1) });
    } else if (isTupleKey(key)) {
      const tuple = tuples.at(-1);
      if (tuple !== undefined) tuple[key] = word.slice(equals + 1);
    } else if (equals > 0) {
      fields.set(key, word.slice(equals + 1));
    } else if (tuples.length === 0) {
      head.push(word);
    }
  }
  const original = tupleOf(tuples[0]);
  const reply = tupleOf(tuples[1]);
  if (original === null || reply === null) return null;
  const timeout = head.find((word) => /^\d+$/.test(word));
  return {
    family: original.source.includes(':') ? 6 : 4,
    protocol,
    timeoutSeconds: timeout === undefined ? null : Number(timeout),
    state: head.find((word) => /^[A-Z_0-9]*[A-Z][A-Z_0-9]*$/.test(word)) ?? null,
    original,
    reply,
    flags,
    mark: Number(fields.get('mark') ?? 0),
    zone: Number(fields.get('zone') ?? 0),
  };
}

function isTupleKey(key: string): key is Keys {
  return key === 'dst' || key === 'sport' || key === 'dport';
}

function tupleOf(given: Partial<Record<Keys, string>> | undefined): ConntrackTuple | null {
  if (given?.src === undefined || given.dst === undefined) return null;
  return { source: given.src, destination: given.dst, sourcePort: portOf(given.sport), destinationPort: portOf(given.dport) };
}

function portOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}
