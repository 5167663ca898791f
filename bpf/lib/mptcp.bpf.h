/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_MPTCP_H
#define MR_LIB_MPTCP_H

#include <bpf/bpf_core_read.h>

#include "lib/identity.bpf.h"

#define MR_IPPROTO_MPTCP 262

/*
 * An MPTCP socket connects by a TCP socket below it, which the kernel makes
 * without sock_create and hands to the connect hooks. The application holds, and
 * getpeername and getsockopt are asked of, the one above.
 */
static __always_inline struct mr_socket *mr_above(struct bpf_sock *sk)
{
	struct mptcp_sock *above;

	/* Linux 5.19 */
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_skc_to_mptcp_sock))
		return NULL;
	above = bpf_skc_to_mptcp_sock(sk);
	if (!above)
		return NULL;
	return bpf_sk_storage_get(&mr_sockets, above, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

/* Whether this TCP socket only carries one of MPTCP's ways. */
static __always_inline int mr_is_below(struct bpf_sock *sk)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_skc_to_mptcp_sock) &&
	       bpf_skc_to_mptcp_sock(sk);
}

/*
 * The owner of any socket: of a TCP socket that of its file or, where it is below
 * another one and has none, of that one; of others who made it. Returns 0 when
 * there is no memory to remember that.
 */
static __always_inline int mr_owner_of(struct bpf_sock *sk, struct mr_owner *owner)
{
	struct mr_socket *s;

	if (mr_tcp_owner(sk, owner)) {
		if (owner->uid != MR_NOBODY)
			return 1;
		s = mr_above(sk);
		if (s && (s->flags & MR_SOCKET_STAMPED)) {
			owner->uid = s->uid;
			owner->gid = s->gid;
		}
		return 1;
	}
	s = bpf_sk_storage_get(&mr_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s)
		return 0;
	/* created before the pod was enrolled: the caller is the best that is known */
	if (!(s->flags & MR_SOCKET_STAMPED))
		mr_stamp(s);
	owner->uid = s->uid;
	owner->gid = s->gid;
	return 1;
}

/* After the decision on a connection: what is known below is known above. */
static __always_inline void mr_tell_above(struct bpf_sock *sk)
{
	struct mr_socket *s = bpf_sk_storage_get(&mr_sockets, sk, 0, 0);
	struct mr_socket *above;

	if (!s)
		return;
	above = mr_above(sk);
	if (!above)
		return;
	above->flags = (above->flags & MR_SOCKET_STAMPED) | (s->flags & ~MR_SOCKET_STAMPED);
	above->origin_port = s->origin_port;
	__builtin_memcpy(above->origin, s->origin, 16);
}

#endif
