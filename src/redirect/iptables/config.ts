import { UserError } from '../../base/errors.ts';
import { parseCidr, parseIp } from '../../pods/address.ts';
import { splitList } from './lists.ts';
import type { IptablesConfig } from './types.ts';
import { defaultIptablesConfig } from './types.ts';

/** xt_owner's own limit is on matches per rule; the contract caps both lists here (A.1). */
const maxOwnerGroups = 64;
/** TPROXY: the mark of what the proxy sends to its own pod; a captured packet must not look like one. */
const outboundMark = 1338;
/** default, main and local: a `local default` route in one of them would take the pod off the network. */
const reservedRouteTables = [253, 254, 255];

/** Why a value is refused, or null. */
type Check = (value: unknown) => string | null;

const port: Check = (value) =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535 ? null : 'is not a port from 1 to 65535';

const flag: Check = (value) => (typeof value === 'boolean' ? null : 'is not true or false');

const text =
  (check: (value: string) => string | null): Check =>
  (value) =>
    typeof value === 'string' ? check(value) : 'is not a string';

const list = (item: (value: string) => string | null): Check =>
  text((value) => splitList(value).reduce<string | null>((found, entry) => found ?? item(entry), null));

const wildcardOr = (check: Check): Check => {
  return (value) => (typeof value === 'string' && value.trim() === '*' ? null : check(value));
};

const portItem = (value: string) =>
  /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65535 ? null : `holds ${JSON.stringify(value)}, which is not a port from 1 to 65535`;

const cidrItem = (value: string) =>
  parseCidr(value) === null ? `holds ${JSON.stringify(value)}, which is not a range such as 10.0.0.0/8 or 2001:db8::/32` : null;

const ownerItem = (value: string) => {
  const valid = /^\d{1,10}$/.test(value) ? Number(value) < 0xffffffff : /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/.test(value);
  return valid ? null : `holds ${JSON.stringify(value)}, which is neither an id nor a name`;
};

/** Up to 15 characters as in the kernel; a trailing `+` matches every interface that begins so. A leading `-` or `!` would be an option. */
const nicItem = (value: string) =>
  value.length <= 15 && /^[A-Za-z0-9_][A-Za-z0-9_.:@-]*\+?$/.test(value)
    ? null
    : `holds ${JSON.stringify(value)}, which is not an interface name`;

const owners = list(ownerItem);

const ownerGroups: Check = (value) => {
  const count = typeof value === 'string' ? splitList(value).length : 0;
  return count > maxOwnerGroups ? `has ${count} entries and at most ${maxOwnerGroups} are allowed` : owners(value);
};

const number32 = text((value) =>
  /^[1-9]\d{0,9}$/.test(value) && Number(value) <= 0xffffffff ? null : 'is not a decimal number from 1 to 4294967295',
);

const loopback = text((value) => {
  const cidr = parseCidr(value);
  const inside = cidr !== null && cidr.family === 4 && cidr.address[0] === 127 && cidr.prefix >= 8;
  return inside ? null : 'is not a range inside 127.0.0.0/8';
});

const servers =
  (family: 4 | 6): Check =>
  (value) =>
    Array.isArray(value) && value.every((item) => typeof item === 'string' && parseIp(item)?.family === family)
      ? null
      : `is not a list of IPv${family} addresses`;

const checks: { readonly [Key in keyof IptablesConfig]: Check } = {
  ProxyPort: port,
  InboundCapturePort: port,
  InboundTunnelPort: port,
  ProxyUID: (value) => owners(value) ?? (typeof value === 'string' && splitList(value).length === 0 ? 'names no user' : null),
  ProxyGID: owners,
  InboundInterceptionMode: (value) =>
    value === '' || value === 'REDIRECT' || value === 'TPROXY' || value === 'NONE' ? null : 'is not REDIRECT, TPROXY or NONE',
  InboundTProxyMark: (value) => number32(value) ?? (Number(value) === outboundMark ? 'is the mark of outbound packets' : null),
  InboundTProxyRouteTable: (value) =>
    number32(value) ?? (reservedRouteTables.includes(Number(value)) ? 'is one of the tables default, main and local' : null),
  InboundPortsInclude: wildcardOr(list(portItem)),
  InboundPortsExclude: list(portItem),
  OutboundIPRangesInclude: wildcardOr(list(cidrItem)),
  OutboundIPRangesExclude: list((value) => (value === '*' ? 'holds "*", which would exclude everything' : cidrItem(value))),
  OutboundPortsInclude: list(portItem),
  OutboundPortsExclude: list(portItem),
  RerouteVirtualInterfaces: list(nicItem),
  ExcludeInterfaces: list(nicItem),
  OwnerGroupsInclude: wildcardOr(ownerGroups),
  OwnerGroupsExclude: ownerGroups,
  HostIPv4LoopbackCidr: loopback,
  RedirectDNS: flag,
  CaptureAllDNS: flag,
  DNSServersV4: servers(4),
  DNSServersV6: servers(6),
  DropInvalid: flag,
  EnableIPv6: flag,
  DualStack: flag,
  DryRun: flag,
};

/**
 * A configuration from a JSON object with Istio's keys; what is not named takes its default.
 * @throws UserError IPTABLES_CONFIG for a value that is no object, an unknown key, or a value that is not allowed.
 */
export function parseIptablesConfig(value: unknown): IptablesConfig {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refuse('the configuration', value, 'is not an object', 'Give a JSON object such as {"InboundPortsInclude": "*"}.');
  }
  for (const [key, given] of Object.entries(value)) {
    if (!isKey(key)) {
      throw refuse(`the key ${JSON.stringify(key)}`, given, 'is unknown', `Use one of ${Object.keys(checks).join(', ')}.`);
    }
    const problem = checks[key](given);
    if (problem !== null) throw refuse(key, given, problem, `Correct ${key}, or leave it out to get ${defaultText(key)}.`);
  }
  return { ...defaultIptablesConfig, ...value };
}

function isKey(key: string): key is keyof IptablesConfig {
  return Object.hasOwn(checks, key);
}

function defaultText(key: keyof IptablesConfig): string {
  return JSON.stringify(defaultIptablesConfig[key]);
}

function refuse(what: string, value: unknown, problem: string, cure: string): UserError {
  const shown = JSON.stringify(value) ?? String(value);
  return new UserError('IPTABLES_CONFIG', `Cannot plan iptables rules because ${what} ${problem}: ${shown}`, {
    cure,
    data: { key: what, value },
  });
}
