import type { AttachTypeName, ProgramTypeName } from './bpf-constants.ts';
import { programLoad } from './bpf-programs.ts';
import { closeFd } from './libc.ts';
import type { Probe } from './probe.ts';
import { SysError } from './sys-error.ts';

const EACCES = 13;
const EINVAL = 22;

/** One instruction: opcode, destination and source register, offset 0, immediate. */
function instruction(opcode: number, registers: number, immediate: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(opcode, 0);
  bytes.writeUInt8(registers, 1);
  bytes.writeInt32LE(immediate, 4);
  return bytes;
}

/** `return 1`: allowed as a result at every hook that is probed. */
const returnOne = Buffer.concat([instruction(0xb7, 0, 1), instruction(0x95, 0, 0)]);

/** Calls a helper with the context as its first argument and the others unset. */
function callHelper(helper: number): Buffer {
  return Buffer.concat([instruction(0x85, 0, helper), returnOne]);
}

/** Whether the kernel knows a program type with an attach type: it loads the smallest program of that kind, and attaches it nowhere. */
export function knowsProgram(type: ProgramTypeName, expectedAttachType?: AttachTypeName): boolean {
  const result = programLoad({
    type,
    name: 'mr_probe',
    instructions: returnOne,
    license: 'GPL',
    ...(expectedAttachType === undefined ? {} : { expectedAttachType }),
  });
  if (result.kind === 'loaded') {
    closeFd(result.fd);
    return true;
  }
  if (result.errno === EINVAL) return false;
  throw new SysError('bpf(PROG_LOAD mr_probe)', result.errno);
}

/**
 * Whether programs of a type may call a helper. The verifier names an unknown or forbidden helper with EINVAL and unset arguments of a
 * known one with EACCES.
 */
export function knowsHelper(helper: number, type: ProgramTypeName, expectedAttachType?: AttachTypeName): boolean {
  // Without this, a kernel that lacks the type would seem to lack the helper.
  if (!knowsProgram(type, expectedAttachType)) return false;
  const result = programLoad({
    type,
    name: 'mr_probe',
    instructions: callHelper(helper),
    license: 'GPL',
    ...(expectedAttachType === undefined ? {} : { expectedAttachType }),
  });
  if (result.kind === 'loaded') {
    closeFd(result.fd);
    return true;
  }
  if (result.errno === EINVAL) return false;
  if (result.errno === EACCES && result.log !== '') return true;
  throw new SysError('bpf(PROG_LOAD mr_probe)', result.errno);
}

interface Hook {
  readonly what: string;
  readonly type: ProgramTypeName;
  readonly attach?: AttachTypeName;
  readonly since: string;
  readonly cost: string;
  readonly required: boolean;
}

const udpCost = 'datagrams are not redirected';
const hooks: readonly Hook[] = [
  {
    what: 'cgroup/sock_create',
    type: 'CGROUP_SOCK',
    attach: 'CGROUP_INET_SOCK_CREATE',
    since: '4.10',
    cost: 'the proxy cannot be told from the application',
    required: true,
  },
  {
    what: 'cgroup/connect4',
    type: 'CGROUP_SOCK_ADDR',
    attach: 'CGROUP_INET4_CONNECT',
    since: '4.17',
    cost: 'no outbound redirection',
    required: true,
  },
  {
    what: 'cgroup/connect6',
    type: 'CGROUP_SOCK_ADDR',
    attach: 'CGROUP_INET6_CONNECT',
    since: '4.17',
    cost: 'no outbound redirection of IPv6 sockets',
    required: true,
  },
  {
    what: 'cgroup/bind4',
    type: 'CGROUP_SOCK_ADDR',
    attach: 'CGROUP_INET4_BIND',
    since: '4.17',
    cost: 'inbound back end "bind" does not work',
    required: true,
  },
  {
    what: 'cgroup/bind6',
    type: 'CGROUP_SOCK_ADDR',
    attach: 'CGROUP_INET6_BIND',
    since: '4.17',
    cost: 'inbound back end "bind" does not work for IPv6',
    required: true,
  },
  {
    what: 'cgroup/getpeername4',
    type: 'CGROUP_SOCK_ADDR',
    attach: 'CGROUP_INET4_GETPEERNAME',
    since: '5.8',
    cost: 'applications see the proxy as their peer',
    required: true,
  },
  {
    what: 'cgroup/getpeername6',
    type: 'CGROUP_SOCK_ADDR',
    attach: 'CGROUP_INET6_GETPEERNAME',
    since: '5.8',
    cost: 'applications see the proxy as their peer',
    required: true,
  },
  { what: 'cgroup/sendmsg4', type: 'CGROUP_SOCK_ADDR', attach: 'CGROUP_UDP4_SENDMSG', since: '4.18', cost: udpCost, required: false },
  { what: 'cgroup/sendmsg6', type: 'CGROUP_SOCK_ADDR', attach: 'CGROUP_UDP6_SENDMSG', since: '4.18', cost: udpCost, required: false },
  { what: 'cgroup/recvmsg4', type: 'CGROUP_SOCK_ADDR', attach: 'CGROUP_UDP4_RECVMSG', since: '5.2', cost: udpCost, required: false },
  { what: 'cgroup/recvmsg6', type: 'CGROUP_SOCK_ADDR', attach: 'CGROUP_UDP6_RECVMSG', since: '5.2', cost: udpCost, required: false },
  {
    what: 'cgroup/getsockopt',
    type: 'CGROUP_SOCKOPT',
    attach: 'CGROUP_GETSOCKOPT',
    since: '5.3',
    cost: 'the proxy cannot learn the original destination',
    required: true,
  },
  {
    what: 'sockops',
    type: 'SOCK_OPS',
    attach: 'CGROUP_SOCK_OPS',
    since: '4.13',
    cost: 'the original destination does not reach the proxy',
    required: true,
  },
  {
    what: 'sk_lookup',
    type: 'SK_LOOKUP',
    attach: 'SK_LOOKUP',
    since: '5.9',
    cost: 'inbound back end "sk_lookup" does not work; "bind" does',
    required: true,
  },
  { what: 'sk_msg', type: 'SK_MSG', attach: 'SK_MSG_VERDICT', since: '4.17', cost: 'no acceleration', required: false },
  { what: 'tc classifier', type: 'SCHED_CLS', since: '4.1', cost: 'no policy at the interfaces of pods', required: false },
];

interface Helper {
  readonly what: string;
  readonly number: number;
  readonly type: ProgramTypeName;
  readonly attach: AttachTypeName;
  readonly since: string;
  readonly cost: string;
}

const GET_NETNS_COOKIE = 122;
const SK_STORAGE_GET = 107;
const helpers: readonly Helper[] = [
  {
    what: 'netns cookie in sock_create',
    number: GET_NETNS_COOKIE,
    type: 'CGROUP_SOCK',
    attach: 'CGROUP_INET_SOCK_CREATE',
    since: '5.7',
    cost: 'pods cannot be told apart',
  },
  {
    what: 'netns cookie in connect',
    number: GET_NETNS_COOKIE,
    type: 'CGROUP_SOCK_ADDR',
    attach: 'CGROUP_INET4_CONNECT',
    since: '5.7',
    cost: 'pods cannot be told apart',
  },
  {
    what: 'netns cookie in sockops',
    number: GET_NETNS_COOKIE,
    type: 'SOCK_OPS',
    attach: 'CGROUP_SOCK_OPS',
    since: '5.15',
    cost: 'listeners and connections cannot be told apart by pod',
  },
  {
    what: 'socket storage in connect',
    number: SK_STORAGE_GET,
    type: 'CGROUP_SOCK_ADDR',
    attach: 'CGROUP_INET4_CONNECT',
    since: '5.6',
    cost: 'the original destination cannot be kept with the socket',
  },
  {
    what: 'socket storage in sockops',
    number: SK_STORAGE_GET,
    type: 'SOCK_OPS',
    attach: 'CGROUP_SOCK_OPS',
    since: '5.2',
    cost: 'the original destination does not reach the proxy',
  },
  {
    what: 'socket storage in getsockopt',
    number: SK_STORAGE_GET,
    type: 'CGROUP_SOCKOPT',
    attach: 'CGROUP_GETSOCKOPT',
    since: '5.3',
    cost: 'the proxy cannot learn the original destination',
  },
];

function newerKernel(since: string): string {
  return `Use a kernel with it: Linux ${since} has it, if CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF are on.`;
}

/** One probe for each hook and for each helper that not every kernel allows at its hook. */
export function programProbes(): Probe[] {
  return [
    ...hooks.map(({ what, type, attach, since, cost, required }) => ({
      name: `program ${what}`,
      required,
      cost,
      cure: newerKernel(since),
      try: () => knowsProgram(type, attach),
    })),
    ...helpers.map(({ what, number, type, attach, since, cost }) => ({
      name: what,
      required: true,
      cost,
      cure: newerKernel(since),
      try: () => knowsHelper(number, type, attach),
    })),
  ];
}
