/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_TUPLE_H
#define MR_LIB_TUPLE_H

#include "lib/address.bpf.h"
#include "lib/maps.bpf.h"

static __always_inline struct mr_address mr_ops_local(struct bpf_sock_ops *ops)
{
	struct mr_address a;

	if (ops->family == MR_AF_INET)
		return mr_mapped(MR_FIELD(ops->local_ip4));
	a.word[0] = MR_FIELD(ops->local_ip6[0]);
	a.word[1] = MR_FIELD(ops->local_ip6[1]);
	a.word[2] = MR_FIELD(ops->local_ip6[2]);
	a.word[3] = MR_FIELD(ops->local_ip6[3]);
	return a;
}

static __always_inline struct mr_address mr_ops_remote(struct bpf_sock_ops *ops)
{
	struct mr_address a;

	if (ops->family == MR_AF_INET)
		return mr_mapped(MR_FIELD(ops->remote_ip4));
	a.word[0] = MR_FIELD(ops->remote_ip6[0]);
	a.word[1] = MR_FIELD(ops->remote_ip6[1]);
	a.word[2] = MR_FIELD(ops->remote_ip6[2]);
	a.word[3] = MR_FIELD(ops->remote_ip6[3]);
	return a;
}

/* The connection as its client sees it, asked at the client's end. */
static __always_inline struct mr_tuple mr_client_tuple(struct bpf_sock_ops *ops, __u64 cookie)
{
	struct mr_address local = mr_ops_local(ops), remote = mr_ops_remote(ops);
	struct mr_tuple t = {
		.cookie = cookie,
		.sport = ops->local_port,
		.dport = bpf_ntohl(ops->remote_port),
	};

	mr_store(t.src, &local);
	mr_store(t.dst, &remote);
	return t;
}

/* The same, asked at the server's end. */
static __always_inline struct mr_tuple mr_server_tuple(struct bpf_sock_ops *ops, __u64 cookie)
{
	struct mr_address local = mr_ops_local(ops), remote = mr_ops_remote(ops);
	struct mr_tuple t = {
		.cookie = cookie,
		.sport = bpf_ntohl(ops->remote_port),
		.dport = ops->local_port,
	};

	mr_store(t.src, &remote);
	mr_store(t.dst, &local);
	return t;
}

#endif
