/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_DIVERT_H
#define MR_LIB_DIVERT_H

#include <linux/in.h>
#include <linux/in6.h>

#include "lib/count.bpf.h"
#include "lib/destination.bpf.h"
#include "lib/event.bpf.h"
#include "lib/mptcp.bpf.h"
#include "lib/outbound.bpf.h"

#define MR_SOCK_STREAM 1
#define MR_SOCK_DGRAM 2

/* cgroup programs: 1 lets the call go on, 0 refuses it with EPERM */
#define MR_ALLOW 1
#define MR_REFUSE 0
#define MR_ECONNREFUSED 111

/* Gives an unbound socket a source address and leaves the port to connect(). */
static __always_inline int mr_bind_source(struct bpf_sock_addr *ctx, const struct mr_address *src)
{
	if (ctx->family == MR_AF_INET) {
		struct sockaddr_in sa = {
			.sin_family = MR_AF_INET,
			.sin_addr.s_addr = src->word[3],
		};

		return bpf_bind(ctx, (struct sockaddr *)&sa, sizeof(sa));
	} else {
		struct sockaddr_in6 sa = { .sin6_family = MR_AF_INET6 };

		__builtin_memcpy(&sa.sin6_addr, src, 16);
		return bpf_bind(ctx, (struct sockaddr *)&sa, sizeof(sa));
	}
}

/*
 * The functions below are whole ones, so that the verifier looks at each once and not
 * with every path that leads there.
 */

/*
 * Chooses where the connection goes instead of f->dst, and binds its source, so
 * that the proxy sees the pod's address and not 127.0.0.1. Returns whether the
 * address stands for the destination; otherwise the connection must be remembered.
 */
__noinline int mr_proxy_address(struct bpf_sock_addr *ctx, const struct mr_flow *f, __u32 pod_flags,
				__u16 proxy_port, struct mr_address *to)
{
	struct mr_listener_key lk = { .port = proxy_port };
	struct mr_listener_addr *listener;
	struct mr_address source;
	int ipv4;

	if (!f || !to || !ctx->sk)
		return 0;
	ipv4 = mr_is_ipv4(&f->dst);
	lk.cookie = f->cookie;
	lk.family = ipv4 ? 4 : 6;
	source = f->source;

	/* loopback is left to the kernel, which speaks from 127.0.0.1 or ::1 */
	if (mr_is_wildcard(&f->src) && !mr_is_loopback(&source) && !mr_is_wildcard(&source)) {
		/* a port without an address (bind 0.0.0.0:5555) cannot be rebound: the route must choose the source */
		if (f->sport || mr_bind_source(ctx, &source)) {
			if (!f->sport)
				mr_count(MR_COUNT_ERROR_SOURCE_BIND);
			*to = source;
			return 0;
		}
	}
	/* a listener that is bound to one address is reached there alone */
	listener = bpf_map_lookup_elem(&mr_listener_addrs, &lk);
	if (listener) {
		*to = mr_load(listener->addr);
		return 0;
	}
	if (!ipv4 && !(pod_flags & MR_POD_SPREAD6)) {
		*to = (struct mr_address){ .word = { 0, 0, 0, bpf_htonl(1) } };
		return 0;
	}
	/* what is told to a socket above is told by what is remembered */
	if (ctx->protocol == IPPROTO_TCP && !mr_is_below(ctx->sk) &&
	    mr_assign(f->cookie, &f->dst, f->dport, to))
		return 1;
	*to = ipv4 ? mr_spread4(&f->dst, f->dport) : mr_spread6(&f->dst, f->dport);
	return 0;
}

static __always_inline void mr_remember(struct mr_socket *s, __u32 flag,
					const struct mr_address *dialled, __u16 port)
{
	s->flags |= flag;
	s->origin_port = port;
	mr_store(s->origin, dialled);
}

/* A socket may be disconnected and connected again. */
static __always_inline void mr_forget(struct bpf_sock_addr *ctx)
{
	struct mr_socket *s = ctx->sk ? bpf_sk_storage_get(&mr_sockets, ctx->sk, 0, 0) : NULL;

	if (s)
		s->flags &= ~(MR_SOCKET_REDIRECTED | MR_SOCKET_TRANSLATED | MR_SOCKET_ACCEPTED |
			      MR_SOCKET_DIRECT);
}

static __always_inline __u16 mr_proxy_port(const struct mr_pod *pod, enum mr_outbound way)
{
	if (way == MR_OUTBOUND_SELF_HOP)
		return pod->inbound_port;
	return way == MR_OUTBOUND_DNS ? pod->dns_port : pod->outbound_port;
}

static __always_inline __u32 mr_way_counter(enum mr_outbound way)
{
	if (way == MR_OUTBOUND_SELF_HOP)
		return MR_COUNT_OUTBOUND_SELF_HOP;
	return way == MR_OUTBOUND_DNS ? MR_COUNT_OUTBOUND_DNS : MR_COUNT_OUTBOUND_REDIRECTED;
}

static __always_inline struct mr_socket *mr_socket_of(struct bpf_sock_addr *ctx,
						      const struct mr_flow *f)
{
	struct mr_socket *s =
		bpf_sk_storage_get(&mr_sockets, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!s) {
		mr_count(MR_COUNT_ERROR_STORAGE);
		mr_emit(MR_EVENT_STORAGE_FAILED, f->cookie, 12, 0, &f->dst, f->dport, 0);
	}
	return s;
}

#endif
