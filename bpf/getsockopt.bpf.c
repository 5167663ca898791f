// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/getsockopt: SO_ORIGINAL_DST without conntrack. */
#include "lib/connect.bpf.h"

#define MR_SOL_IP 0
#define MR_SOL_IPV6 41
#define MR_SO_ORIGINAL_DST 80
#define MR_SMALLEST_PAGE 4096

static __always_inline struct mr_address mr_sk_remote(struct bpf_sock *sk)
{
	struct mr_address a;

	if (sk->family == MR_AF_INET)
		return mr_mapped(MR_FIELD(sk->dst_ip4));
	a.word[0] = MR_FIELD(sk->dst_ip6[0]);
	a.word[1] = MR_FIELD(sk->dst_ip6[1]);
	a.word[2] = MR_FIELD(sk->dst_ip6[2]);
	a.word[3] = MR_FIELD(sk->dst_ip6[3]);
	return a;
}

static __always_inline struct mr_address mr_sk_local(struct bpf_sock *sk)
{
	struct mr_address a;

	if (sk->family == MR_AF_INET)
		return mr_mapped(MR_FIELD(sk->src_ip4));
	a.word[0] = MR_FIELD(sk->src_ip6[0]);
	a.word[1] = MR_FIELD(sk->src_ip6[1]);
	a.word[2] = MR_FIELD(sk->src_ip6[2]);
	a.word[3] = MR_FIELD(sk->src_ip6[3]);
	return a;
}

/* Where the connection of this socket was going before anybody touched it. */
static __always_inline int mr_origin_of(const struct mr_pod *pod, __u64 cookie, struct bpf_sock *sk,
					struct mr_address *addr, __u16 *port)
{
	struct mr_socket *s = bpf_sk_storage_get(&mr_sockets, sk, 0, 0);
	struct mr_address remote;
	__u16 remote_port = bpf_ntohs(sk->dst_port);

	/* not connected, or no longer */
	if (!remote_port)
		return 0;
	if (s && (s->flags & (MR_SOCKET_REDIRECTED | MR_SOCKET_TRANSLATED | MR_SOCKET_ACCEPTED))) {
		*addr = mr_load(s->origin);
		*port = s->origin_port;
		return 1;
	}
	remote = mr_sk_remote(sk);
	/* an active socket that was redirected, or left alone: its peer */
	if (mr_stands_for(pod, cookie, &remote, &remote_port) || s) {
		*addr = remote;
		*port = remote_port;
		return 1;
	}
	/* accepted, redirected from within the pod; else steered by sk_lookup or plain: its own address was never rewritten */
	*addr = mr_sk_local(sk);
	*port = MR_FIELD(sk->src_port);
	if (mr_is_assigned(addr) && mr_is_own(pod, cookie, &remote))
		mr_stands_for(pod, cookie, addr, port);
	return 1;
}

/*
 * The length stays the caller's, as under iptables. Of a buffer of more than a
 * page the kernel hands out, and takes back, one page only.
 */
static __always_inline void mr_answered(struct bpf_sockopt *ctx, __s32 length)
{
	if (ctx->optlen > MR_SMALLEST_PAGE)
		ctx->optlen = length;
	ctx->retval = 0;
	mr_count(MR_COUNT_ORIGIN_ANSWERED);
}

SEC("cgroup/getsockopt")
int mr_getsockopt(struct bpf_sockopt *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct mr_address origin;
	struct mr_pod *pod;
	__u64 cookie;
	__u16 port;

	if (ctx->optname != MR_SO_ORIGINAL_DST ||
	    (ctx->level != MR_SOL_IP && ctx->level != MR_SOL_IPV6))
		goto pass;
	if (!sk || (sk->protocol != IPPROTO_TCP && sk->protocol != MR_IPPROTO_MPTCP))
		goto pass;
	cookie = bpf_get_netns_cookie(ctx);
	pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	if (!pod || !(pod->flags & (MR_POD_OUTBOUND | MR_POD_INBOUND_LOOKUP | MR_POD_INBOUND_BIND)))
		goto pass;
	if (!mr_origin_of(pod, cookie, sk, &origin, &port))
		goto pass;
	if (ctx->level == MR_SOL_IP) {
		struct sockaddr_in *sa = ctx->optval;

		if (!mr_is_ipv4(&origin) || (void *)(sa + 1) > ctx->optval_end)
			goto pass;
		__builtin_memset(sa, 0, sizeof(*sa));
		sa->sin_family = MR_AF_INET;
		sa->sin_port = bpf_htons(port);
		sa->sin_addr.s_addr = origin.word[3];
		mr_answered(ctx, sizeof(*sa));
	} else {
		struct sockaddr_in6 *sa = ctx->optval;

		if (mr_is_ipv4(&origin) || (void *)(sa + 1) > ctx->optval_end)
			goto pass;
		__builtin_memset(sa, 0, sizeof(*sa));
		sa->sin6_family = MR_AF_INET6;
		sa->sin6_port = bpf_htons(port);
		__builtin_memcpy(&sa->sin6_addr, &origin, 16);
		mr_answered(ctx, sizeof(*sa));
	}
	return 1;
pass:
	/* 0: the kernel's answer goes to the caller as it is, whatever its size */
	*(volatile __s32 *)&ctx->optlen = 0;
	return 1;
}
