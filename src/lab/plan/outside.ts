import { UserError } from '../../base/errors.ts';
import type { IpAddress } from '../../pods/address.ts';
import { cidrContains, parseCidr, parseIp } from '../../pods/address.ts';
import { specialRanges } from '../../pods/special-ranges.ts';
import { labNetwork } from './addresses.ts';
import type { LabObjects } from './objects.ts';

/** Of any object: `172.20.0.10:9092` lets the lab's outside have a broker there; several with commas. */
export const outsideAnnotation = 'lab.millrace.io/outside';

export interface OutsideAddress {
  /** IPv4. */
  readonly address: string;
  readonly port: number;
}

/** The lab's own, which nobody outside has. */
const inside = [`${labNetwork.podPrefix4}.0/24`, `${labNetwork.podPrefix6}/112`, labNetwork.serviceCidr, ...specialRanges];

/** What the objects want to find outside of the cluster, each once. Throws UserError ANNOTATION_INVALID. */
export function outsideAddresses(objects: LabObjects): readonly OutsideAddress[] {
  const found = new Map<string, OutsideAddress>();
  for (const { kind, metadata } of objects.all()) {
    for (const text of (metadata.annotations[outsideAnnotation] ?? '').split(',').map((part) => part.trim())) {
      if (text !== '') found.set(text, parse(text, `${kind} ${metadata.name}`));
    }
  }
  return [...found.values()];
}

/** The range of the lab's own that an address is in; null: it is outside. */
export function insideRange(ip: IpAddress): string | null {
  const found = inside.find((range) => {
    const cidr = parseCidr(range);
    return cidr !== null && cidrContains(cidr, ip);
  });
  return found ?? null;
}

function parse(text: string, owner: string): OutsideAddress {
  const [, address = '', digits = ''] = /^([0-9.]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const ip = parseIp(address);
  if (ip === null || ip.family !== 4 || port < 1 || port > 65535) throw invalid(text, owner, 'it is not IPV4:PORT');
  const taken = insideRange(ip);
  if (taken !== null) throw invalid(text, owner, `${taken} is not outside`);
  return { address, port };
}

function invalid(text: string, owner: string, why: string): UserError {
  return new UserError(
    'ANNOTATION_INVALID',
    `Cannot use ${outsideAnnotation} of ${owner} because ${why}: current value ${JSON.stringify(text)}`,
    {
      cure: 'Write an address that is neither a pod, a service nor local, and a port: 172.20.0.10:9092.',
    },
  );
}
