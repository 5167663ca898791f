import type { AttachTypeName } from '../../kernel/index.ts';

/** A program of the object and the hook of the cgroup that it is attached to. */
export interface Attachment {
  readonly program: string;
  readonly hook: AttachTypeName;
}

/**
 * The programs that are attached once, to the cgroup, in the order in which a fresh start attaches them: whoever rewrites a connection comes
 * after those that make the rewriting right. Those that every pod has a copy of are in pod-programs.ts.
 */
export const cgroupAttachments: readonly Attachment[] = [
  { program: 'mr_sock_create', hook: 'CGROUP_INET_SOCK_CREATE' },
  { program: 'mr_sockops', hook: 'CGROUP_SOCK_OPS' },
  { program: 'mr_getsockopt', hook: 'CGROUP_GETSOCKOPT' },
  { program: 'mr_setsockopt', hook: 'CGROUP_SETSOCKOPT' },
  { program: 'mr_getpeername4', hook: 'CGROUP_INET4_GETPEERNAME' },
  { program: 'mr_getpeername6', hook: 'CGROUP_INET6_GETPEERNAME' },
  { program: 'mr_recvmsg4', hook: 'CGROUP_UDP4_RECVMSG' },
  { program: 'mr_recvmsg6', hook: 'CGROUP_UDP6_RECVMSG' },
  { program: 'mr_bind4', hook: 'CGROUP_INET4_BIND' },
  { program: 'mr_bind6', hook: 'CGROUP_INET6_BIND' },
  { program: 'mr_connect4', hook: 'CGROUP_INET4_CONNECT' },
  { program: 'mr_connect6', hook: 'CGROUP_INET6_CONNECT' },
  { program: 'mr_sendmsg4', hook: 'CGROUP_UDP4_SENDMSG' },
  { program: 'mr_sendmsg6', hook: 'CGROUP_UDP6_SENDMSG' },
];

/** The program that every message of a socket in this map runs. */
export const sockmapAttachment = { program: 'mr_sk_msg', map: 'accelerated' } as const;

/** The programs on the interface that a pod has on its node. What the node receives there is what the pod sends. */
export const policyAttachments = [
  { program: 'mr_policy_from_pod', hook: 'ingress' },
  { program: 'mr_policy_to_pod', hook: 'egress' },
] as const;

/** The constant in the programs that every pod has copies of, in the place of its cookie (bpf/lib/cookie.bpf.h). */
export const podCookieMark = 0x6d696c6c72616365n;
