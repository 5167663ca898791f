// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/bind4, bind6: where there is no sk_lookup, the application moves to loopback and leaves its place to the proxy. */
#include "lib/connect.bpf.h"
#include "lib/inbound.bpf.h"

/* lets an unprivileged proxy bind port 80 in the application's stead */
#define MR_ALLOW_ANY_PORT 3

enum mr_bind {
	MR_BIND_AS_IT_IS,
	MR_BIND_PROXY,
	MR_BIND_TO_LOOPBACK,
	MR_BIND_REFUSED,
};

static __always_inline enum mr_bind mr_decide_bind(struct bpf_sock_addr *ctx,
						   const struct mr_address *addr, int ipv6_alone)
{
	__u64 cookie = bpf_get_netns_cookie(ctx);
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	__u16 port = bpf_ntohs(ctx->user_port);
	struct mr_owner owner;

	if (!pod || !(pod->flags & MR_POD_INBOUND_BIND) || ctx->type != MR_SOCK_STREAM || !ctx->sk)
		return MR_BIND_AS_IT_IS;
	if (!mr_owner_of(ctx->sk, &owner)) {
		mr_count(MR_COUNT_ERROR_STORAGE);
		return MR_BIND_REFUSED;
	}
	if (mr_is_proxy(pod, &owner))
		return MR_BIND_PROXY;
	/* IPv6 that is not redirected stays where it is; one socket for both families cannot */
	if (ipv6_alone && !(pod->flags & MR_POD_IPV6))
		return MR_BIND_AS_IT_IS;
	/* port 0 is a client that only wants a source; loopback needs no moving */
	if (!port || mr_is_loopback(addr) || !mr_is_inbound_captured(pod, cookie, port))
		return MR_BIND_AS_IT_IS;
	mr_count(MR_COUNT_BIND_REWRITTEN);
	return MR_BIND_TO_LOOPBACK;
}

SEC("cgroup/bind4")
int mr_bind4(struct bpf_sock_addr *ctx)
{
	struct mr_address addr = mr_mapped(ctx->user_ip4);

	switch (mr_decide_bind(ctx, &addr, 0)) {
	case MR_BIND_PROXY:
		return MR_ALLOW_ANY_PORT;
	case MR_BIND_TO_LOOPBACK:
		ctx->user_ip4 = bpf_htonl(0x7f000001);
		break;
	case MR_BIND_REFUSED:
		return MR_REFUSE;
	case MR_BIND_AS_IT_IS:
		break;
	}
	return MR_ALLOW;
}

/*
 * A dual-stack socket on :: moves to ::ffff:127.0.0.1, where the proxy reaches it
 * by IPv4 for both families; one that is IPV6_V6ONLY or bound to an IPv6 address
 * moves to ::1.
 */
static __always_inline int mr_is_v6only(struct bpf_sock_addr *ctx)
{
	struct tcp_sock *tp = ctx->sk ? (void *)bpf_skc_to_tcp_sock(ctx->sk) : NULL;

	if (!tp)
		return 0;
	return BPF_CORE_READ_BITFIELD_PROBED(&tp->inet_conn.icsk_inet.sk.__sk_common, skc_ipv6only);
}

SEC("cgroup/bind6")
int mr_bind6(struct bpf_sock_addr *ctx)
{
	struct mr_address addr = { .word = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
					     ctx->user_ip6[3] } };
	int to_ipv4 = mr_is_ipv4(&addr) || (mr_is_zero(&addr) && !mr_is_v6only(ctx));

	switch (mr_decide_bind(ctx, &addr, !to_ipv4)) {
	case MR_BIND_PROXY:
		return MR_ALLOW_ANY_PORT;
	case MR_BIND_TO_LOOPBACK:
		ctx->user_ip6[0] = 0;
		ctx->user_ip6[1] = 0;
		ctx->user_ip6[2] = to_ipv4 ? bpf_htonl(0xffff) : 0;
		ctx->user_ip6[3] = to_ipv4 ? bpf_htonl(0x7f000001) : bpf_htonl(1);
		break;
	case MR_BIND_REFUSED:
		return MR_REFUSE;
	case MR_BIND_AS_IT_IS:
		break;
	}
	return MR_ALLOW;
}
