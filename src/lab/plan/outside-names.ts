import { UserError } from '../../base/errors.ts';
import type { ZoneRecord } from '../../mesh/dns/zone.ts';
import { parseIp } from '../../pods/address.ts';
import { canonicalName } from '../../policy/fqdn.ts';
import type { LabObjects } from './objects.ts';
import { insideRange } from './outside.ts';
import { meshNames } from './snapshot.ts';

/**
 * Of any object: `api.example.com=172.20.0.10` has the lab's name server answer for a name outside of the cluster, `www.example.com=api.example.com` with an
 * alias; several with commas, and a name several times for several addresses.
 */
export const outsideNamesAnnotation = 'lab.millrace.io/outside-names';

/** A label of RFC 1123, and `_` as in names of services. */
const namePattern = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)+$/;

/** Names that the objects want outside of the cluster, in lower case, without the last dot. Throws UserError ANNOTATION_INVALID. */
export function outsideNames(objects: LabObjects): ReadonlyMap<string, readonly ZoneRecord[]> {
  const found = new Map<string, ZoneRecord[]>();
  for (const { kind, metadata } of objects.all()) {
    const owner = `${kind} ${metadata.name}`;
    for (const text of (metadata.annotations[outsideNamesAnnotation] ?? '').split(',').map((part) => part.trim())) {
      if (text === '') continue;
      const { name, record } = parse(text, owner);
      const records = found.get(name) ?? [];
      if (records.some((known) => JSON.stringify(known) === JSON.stringify(record))) continue;
      if (records.some(({ kind: other }) => other === 'CNAME' || record.kind === 'CNAME'))
        throw invalid(text, owner, 'an alias has one target and no address, and this name has another');
      found.set(name, [...records, record]);
    }
  }
  for (const name of found.keys()) assertEnds(name, found);
  return found;
}

function parse(text: string, owner: string): { readonly name: string; readonly record: ZoneRecord } {
  const [name = '', target, ...more] = text.split('=').map(canonicalName);
  if (target === undefined || more.length > 0 || !namePattern.test(name))
    throw invalid(text, owner, 'it is not NAME=ADDRESS or NAME=OTHER.NAME');
  const taken = [meshNames.clusterDomain, 'arpa'].find((domain) => name === domain || name.endsWith(`.${domain}`));
  if (taken !== undefined) throw invalid(text, owner, `names of ${taken} are the cluster's`);
  if (parseIp(name) !== null) throw invalid(text, owner, 'an address is no name');
  const ip = parseIp(target);
  if (ip === null) {
    if (!namePattern.test(target) || /^[0-9.]+$/.test(target))
      throw invalid(text, owner, `${target || 'nothing'} is neither an address nor a name`);
    return { name, record: { kind: 'CNAME', target } };
  }
  const taker = insideRange(ip);
  if (taker !== null) throw invalid(text, owner, `${taker} is not outside`);
  return { name, record: { kind: ip.family === 4 ? 'A' : 'AAAA', address: target } };
}

/** An alias may lead to a name that nobody has, but not back to itself. */
function assertEnds(name: string, names: ReadonlyMap<string, readonly ZoneRecord[]>): void {
  const seen = new Set<string>();
  for (let at: string | undefined = name; at !== undefined; ) {
    if (seen.has(at)) throw invalid([...seen, at].join('='), name, 'its aliases lead back to it');
    seen.add(at);
    const alias: ZoneRecord | undefined = names.get(at)?.find(({ kind }) => kind === 'CNAME');
    at = alias?.kind === 'CNAME' ? alias.target : undefined;
  }
}

function invalid(text: string, owner: string, why: string): UserError {
  return new UserError(
    'ANNOTATION_INVALID',
    `Cannot use ${outsideNamesAnnotation} of ${owner} because ${why}: current value ${JSON.stringify(text)}`,
    { cure: 'Write a name and an address that is neither a pod, a service nor local, or another name: api.example.com=172.20.0.10.' },
  );
}
