// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/setsockopt: no application names the way of its packets. */
#include "lib/connect.bpf.h"

#define MR_IP_OPTIONS 4
#define MR_IPV6_2292PKTOPTIONS 6
#define MR_IPV6_RTHDR 57

/*
 * With a source route a connection that connect() has sent to the proxy, or left
 * alone because it stays in the pod, leaves for the first host on the route; no
 * right is needed to ask for one. The option may also come after connect().
 */
static __always_inline int mr_is_source_route(const struct bpf_sockopt *ctx)
{
	if (ctx->level == IPPROTO_IP)
		return ctx->optname == MR_IP_OPTIONS;
	return ctx->level == IPPROTO_IPV6 &&
	       (ctx->optname == MR_IPV6_RTHDR || ctx->optname == MR_IPV6_2292PKTOPTIONS);
}

static __always_inline int mr_is_refused(struct bpf_sockopt *ctx)
{
	struct mr_pod *pod;
	__u64 cookie;

	if (!mr_is_source_route(ctx) || !ctx->sk || ctx->sk->protocol != IPPROTO_TCP)
		return 0;
	cookie = bpf_get_netns_cookie(ctx);
	pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	return pod && (pod->flags & MR_POD_OUTBOUND);
}

SEC("cgroup/setsockopt")
int mr_setsockopt(struct bpf_sockopt *ctx)
{
	if (mr_is_refused(ctx)) {
		mr_count(MR_COUNT_OPTION_REFUSED);
		return MR_REFUSE;
	}
	/* 0: the kernel reads the caller's value as it is, whatever its size */
	ctx->optlen = 0;
	return MR_ALLOW;
}
