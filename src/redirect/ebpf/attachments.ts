import type { AttachTypeName } from '../../kernel/index.ts';

/** A program of the object and the hook of the cgroup that it is attached to. */
export interface Attachment {
  readonly program: string;
  readonly hook: AttachTypeName;
}

/**
 * The programs that are attached once, to the cgroup, in the order in which a fresh start attaches them: whoever rewrites a connection comes
 * after those that make the rewriting right. sk_lookup is not among them; every pod has its own copy (see pod-steering.ts).
 */
export const cgroupAttachments: readonly Attachment[] = [
  { program: 'mr_sock_create', hook: 'CGROUP_INET_SOCK_CREATE' },
  { program: 'mr_sockops', hook: 'CGROUP_SOCK_OPS' },
  { program: 'mr_getsockopt', hook: 'CGROUP_GETSOCKOPT' },
  { program: 'mr_getpeername4', hook: 'CGROUP_INET4_GETPEERNAME' },
  { program: 'mr_getpeername6', hook: 'CGROUP_INET6_GETPEERNAME' },
  { program: 'mr_bind4', hook: 'CGROUP_INET4_BIND' },
  { program: 'mr_bind6', hook: 'CGROUP_INET6_BIND' },
  { program: 'mr_connect4', hook: 'CGROUP_INET4_CONNECT' },
  { program: 'mr_connect6', hook: 'CGROUP_INET6_CONNECT' },
];

/** The template of the per-pod program, and the constant in it that stands for the pod's cookie (bpf/sk_lookup.bpf.c). */
export const steeringProgram = 'mr_sk_lookup';
export const steeringCookieMark = 0x6d696c6c72616365n;
