import type { Endpoint } from '../abi/gen/index.ts';
import { Direction, EndpointFlags, SubjectFlags } from '../abi/gen/index.ts';
import type { FieldCodec } from '../kernel/index.ts';
import { mapIp, parseCidrOrIp, parseIp } from '../pods/address.ts';
import type { CompiledSubject, IpcacheEntry, PolicyRow, PolicyTiers } from '../policy/types.ts';

/** A pod of this node, as policy needs it in the kernel. */
export interface PolicyEndpoint {
  /** Of its network namespace. */
  readonly cookie: bigint;
  /** 0 while nobody knows who it is: nothing passes then. */
  readonly identity: number;
  /** The only addresses that it may speak from, at most one of each family unless it `forwards`. */
  readonly addresses: readonly string[];
  /** What policy denies passes, and is reported. */
  readonly audit: boolean;
  /** connect() to what policy denies fails at once. */
  readonly reject: boolean;
  /** Sends from addresses that are not its own. */
  readonly forwards: boolean;
}

/** What an apply() changed in one table. */
export interface TableCounts {
  readonly written: number;
  readonly removed: number;
}

/** A row of mr_policy with the number of the policy that it is part of. */
export interface RowKey {
  readonly policy: number;
  readonly row: Omit<PolicyRow, 'tiers'>;
}

/** Of struct mr_policy_key: without protocol, and in front of the port. */
const anyProtocolBits = 72;
const portStart = 80;
const familyBits = 32;
const mappedBits = 96;

/** struct mr_policy_key from a row. Hand-made, because a node has a million of them: 60 ns against 200 of the generated one. */
export const rowKeyCodec: FieldCodec<RowKey> = {
  size: 16,
  read: (view, offset) => {
    const bits = view.getUint32(offset, true);
    const port = view.getUint16(offset + 14);
    return {
      policy: view.getUint32(offset + 4, true),
      row: {
        peer: view.getUint32(offset + 8, true),
        direction: view.getUint8(offset + 12) === Direction.EGRESS ? 'egress' : 'ingress',
        protocol: view.getUint8(offset + 13),
        port,
        portBits: Math.max(0, bits - portStart),
      },
    };
  },
  write: (view, offset, { policy, row }) => {
    view.setUint32(offset, row.protocol === 0 ? anyProtocolBits : portStart + row.portBits, true);
    view.setUint32(offset + 4, policy, true);
    view.setUint32(offset + 8, row.peer, true);
    view.setUint8(offset + 12, row.direction === 'egress' ? Direction.EGRESS : Direction.INGRESS);
    view.setUint8(offset + 13, row.protocol);
    view.setUint16(offset + 14, row.port);
  },
};

/** struct mr_policy from a row's tiers. */
export const tiersCodec: FieldCodec<PolicyTiers> = {
  size: 24,
  read: (view, offset) => {
    const cell = (tier: number) => ({
      precedence: view.getUint32(offset + 8 * tier, true),
      rule: view.getUint32(offset + 8 * tier + 4, true),
    });
    return [cell(0), cell(1), cell(2)];
  },
  write: (view, offset, tiers) => {
    for (let tier = 0; tier < 3; tier += 1) {
      view.setUint32(offset + 8 * tier, tiers[tier]?.precedence ?? 0, true);
      view.setUint32(offset + 8 * tier + 4, tiers[tier]?.rule ?? 0, true);
    }
  },
};

/** struct mr_ipcache_key of a range in text. @throws RangeError when it is none */
export function ipcacheKey({ prefix }: Pick<IpcacheEntry, 'prefix'>): {
  readonly prefixlen: number;
  readonly family: number;
  readonly addr: Uint8Array;
} {
  const cidr = parseCidrOrIp(prefix);
  if (cidr === null) throw new RangeError(`Cannot write the ipcache because a prefix is no range of addresses: ${prefix}`);
  const bits = cidr.family === 4 ? mappedBits + cidr.prefix : cidr.prefix;
  return { prefixlen: familyBits + bits, family: cidr.family, addr: mapIp({ family: cidr.family, bytes: cidr.address }) };
}

/** MR_SUBJECT_ flags. */
export function subjectFlags({ ingress, egress }: Pick<CompiledSubject, 'ingress' | 'egress'>): number {
  return (egress ? SubjectFlags.EGRESS : 0) | (ingress ? SubjectFlags.INGRESS : 0);
}

/** struct mr_endpoint. @throws RangeError for a text that is no address, or for a second address of a family without `forwards` */
export function endpointRow(endpoint: PolicyEndpoint): Endpoint {
  const addresses = endpoint.addresses.map((text) => {
    const address = parseIp(text);
    if (address === null) throw new RangeError(`Cannot write an endpoint because this is no address: ${text}`);
    return address;
  });
  const of = (family: 4 | 6): Uint8Array => {
    const [first, second] = addresses.filter((address) => address.family === family);
    if (second !== undefined && !endpoint.forwards)
      throw new RangeError(`Cannot write an endpoint because it has two addresses of one family: ${endpoint.addresses.join(', ')}`);
    return first === undefined ? new Uint8Array(16) : mapIp(first);
  };
  const flags =
    (endpoint.audit ? EndpointFlags.AUDIT : 0) |
    (endpoint.reject ? EndpointFlags.REJECT : 0) |
    (endpoint.forwards ? EndpointFlags.FORWARDS : 0);
  return { identity: endpoint.identity, flags, addr4: of(4), addr6: of(6) };
}

/** Text that is equal for equal keys within one policy. */
export function rowName({ peer, direction, protocol, port, portBits }: RowKey['row']): string {
  return `${peer} ${direction} ${protocol} ${port}/${portBits}`;
}

/** Whether two rows say the same. */
export function sameTiers(one: PolicyTiers, other: PolicyTiers): boolean {
  return one.every((cell, tier) => cell.precedence === other[tier]?.precedence && cell.rule === other[tier]?.rule);
}
