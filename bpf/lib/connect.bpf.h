/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_CONNECT_H
#define MR_LIB_CONNECT_H

#include "lib/connect-udp.bpf.h"
#include "lib/denial.bpf.h"
#include "lib/direct.bpf.h"
#include "lib/divert.bpf.h"
#include "lib/service.bpf.h"

/* A connection that is left alone, or goes to a backend of the service that was dialled. */
__noinline int mr_connect_direct(struct bpf_sock_addr *ctx, struct mr_flow *f, __u32 pod_flags)
{
	struct mr_address dialled;
	struct mr_socket *s;
	__u16 port;

	if (!f || !ctx->sk)
		return MR_REFUSE;
	dialled = f->dst;
	port = f->dport;
	/* tells an active socket from an accepted one, of which nothing is kept */
	s = mr_socket_of(ctx, f);
	if (!s)
		return MR_REFUSE;
	if ((pod_flags & MR_POD_TRANSLATE) && mr_translate(f->cookie, &f->dst, &f->dport)) {
		mr_remember(s, MR_SOCKET_TRANSLATED, &dialled, port);
		mr_count(MR_COUNT_OUTBOUND_TRANSLATED);
		return MR_ALLOW;
	}
	mr_count(MR_COUNT_OUTBOUND_DIRECT);
	return MR_ALLOW;
}

/* Joins two pods without their proxies, if both want it. Returns 0, or MR_ALLOW with what was dialled translated. */
__noinline int mr_connect_joined(struct bpf_sock_addr *ctx, struct mr_flow *f)
{
	struct mr_address dialled;
	struct mr_socket *s;
	int translated;
	__u16 port;

	if (!f || !ctx->sk)
		return 0;
	dialled = f->dst;
	port = f->dport;
	translated = mr_translate(f->cookie, &f->dst, &f->dport);
	if (!mr_is_direct_pod(f->cookie, &f->dst)) {
		f->dst = dialled;
		f->dport = port;
		return 0;
	}
	s = mr_socket_of(ctx, f);
	if (!s) {
		f->dst = dialled;
		f->dport = port;
		return 0;
	}
	if (translated)
		mr_remember(s, MR_SOCKET_TRANSLATED, &dialled, port);
	s->flags |= MR_SOCKET_DIRECT;
	mr_count(MR_COUNT_OUTBOUND_JOINED);
	return MR_ALLOW;
}

/*
 * What policy denies is not handed to the proxy. Returns -1 when policy allows it,
 * or has nothing to say; else what becomes of the call.
 */
__noinline int mr_connect_denied(struct bpf_sock_addr *ctx, struct mr_flow *f, __u32 pod_flags,
				 __u32 way)
{
	struct mr_endpoint *endpoint;
	struct mr_verdict v = {};
	struct mr_address dialled;
	__u16 port;
	int made;

	if (!f || (way != MR_OUTBOUND_TO_PROXY && way != MR_OUTBOUND_DIRECT))
		return -1;
	endpoint = bpf_map_lookup_elem(&mr_endpoints, &f->cookie);
	if (!endpoint || (endpoint->flags & MR_ENDPOINT_AUDIT))
		return -1;
	if (f->local)
		return -1;
	/* without a proxy of ours in the way the packets themselves tell */
	if ((way == MR_OUTBOUND_DIRECT || !(pod_flags & MR_POD_OUTBOUND)) &&
	    !(endpoint->flags & MR_ENDPOINT_REJECT))
		return -1;
	if (!mr_judge_connect(endpoint->identity, &f->dst, f->dport, &v))
		return -1;
	if (!(endpoint->flags & MR_ENDPOINT_REJECT)) {
		dialled = f->dst;
		port = f->dport;
		made = mr_connect_direct(ctx, f, pod_flags);
		/* of a service that changed meanwhile it may have found a backend that is allowed: that is the proxy's */
		if (made && !mr_judge_pair(endpoint->identity, &f->dst, f->dport, &v)) {
			f->dst = dialled;
			f->dport = port;
			mr_forget(ctx);
			return -1;
		}
		mr_count(MR_COUNT_OUTBOUND_DENIED);
		return made;
	}
	mr_count(MR_COUNT_OUTBOUND_REJECTED);
	mr_tell_rejected(f->cookie, endpoint, &f->source, &f->dst, f->dport, v);
	/* Linux 5.18; without it the application gets EPERM */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_set_retval))
		bpf_set_retval(-MR_ECONNREFUSED);
	return MR_REFUSE;
}

static __always_inline int mr_connect_tcp(struct bpf_sock_addr *ctx, const struct mr_pod *pod,
					  struct mr_flow *f)
{
	enum mr_outbound way;
	struct mr_address to;
	__u16 proxy_port;

	if (!mr_is_ipv4(&f->dst) && !(pod->flags & MR_POD_IPV6) && !(pod->flags & MR_POD_TRANSLATE))
		return MR_ALLOW;
	if (!mr_owner_of(ctx->sk, &f->owner)) {
		mr_count(MR_COUNT_ERROR_STORAGE);
		return MR_REFUSE;
	}
	way = mr_decide_outbound(pod, f);
	if (!mr_is_proxy(pod, &f->owner)) {
		int denied = mr_policy_epoch() ? mr_connect_denied(ctx, f, pod->flags, way) : -1;

		if (denied >= 0)
			return denied;
		if (way == MR_OUTBOUND_TO_PROXY && (pod->flags & MR_POD_OUTBOUND) &&
		    (pod->flags & MR_POD_DIRECT) && mr_connect_joined(ctx, f))
			return MR_ALLOW;
	}
	proxy_port = mr_proxy_port(pod, way);
	if (way == MR_OUTBOUND_DIRECT) {
		/* who dials an address that stands for another one gets the proxy, which is told what was dialled */
		if (!mr_is_assigned(&f->dst) || !mr_is_proxy_port(pod, f->dport))
			return mr_connect_direct(ctx, f, pod->flags);
		proxy_port = f->dport;
	}
	/* redirected by somebody else (iptables in the pod): hands off */
	if (!(pod->flags & MR_POD_OUTBOUND))
		return MR_ALLOW;
	if (!mr_is_ipv4(&f->dst) && !(pod->flags & MR_POD_IPV6))
		return MR_ALLOW;
	if (!mr_proxy_address(ctx, f, pod->flags, proxy_port, &to)) {
		struct mr_socket *s = mr_socket_of(ctx, f);

		if (!s)
			return MR_REFUSE;
		mr_remember(s, MR_SOCKET_REDIRECTED, &f->dst, f->dport);
	}
	f->dst = to;
	f->dport = proxy_port;
	mr_count(mr_way_counter(way));
	return MR_ALLOW;
}

static __always_inline int mr_decide_connect(struct bpf_sock_addr *ctx, struct mr_flow *f)
{
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &f->cookie);

	if (ctx->type != MR_SOCK_STREAM && ctx->type != MR_SOCK_DGRAM)
		return MR_ALLOW;
	if (!pod) {
		mr_forget(ctx);
		return MR_ALLOW;
	}
	if (!ctx->sk)
		return MR_ALLOW;
	f->interface = ctx->sk->bound_dev_if;
	if (ctx->type == MR_SOCK_DGRAM)
		return mr_connect_udp(ctx, f);
	if (ctx->protocol != IPPROTO_TCP && ctx->protocol != MR_IPPROTO_MPTCP)
		return MR_ALLOW;
	mr_forget(ctx);
	return mr_connect_tcp(ctx, pod, f);
}

/*
 * The decision for one connect(). f has cookie, src, dst and dport; on return dst
 * and dport are where to connect. Returns MR_ALLOW or MR_REFUSE.
 */
static __always_inline int mr_connect(struct bpf_sock_addr *ctx, struct mr_flow *f)
{
	int verdict = mr_decide_connect(ctx, f);

	if (ctx->sk && ctx->type == MR_SOCK_STREAM)
		mr_tell_above(ctx->sk);
	/* of what a whole function returned the verifier knows no range */
	return verdict ? MR_ALLOW : MR_REFUSE;
}

#endif
