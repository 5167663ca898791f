/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_MPTCP_H
#define MR_LIB_MPTCP_H

#include <bpf/bpf_core_read.h>

#include "lib/maps.bpf.h"

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

/* The socket below belongs to whom the one above belongs to, where that is known. */
static __always_inline int mr_stamp_from_above(struct bpf_sock *sk, struct mr_socket *s)
{
	struct mr_socket *above = mr_above(sk);

	if (!above || !(above->flags & MR_SOCKET_STAMPED))
		return 0;
	s->uid = above->uid;
	s->gid = above->gid;
	s->flags |= MR_SOCKET_STAMPED;
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
	if (above)
		*above = *s;
}

#endif
