// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/getpeername4, getpeername6: the application sees what it dialled. */
#include "lib/connect.bpf.h"

/*
 * Only the client's end lies: addr and port are those of its peer, and become what
 * it dialled. The proxy's end may carry storage too (the handed over origin), and
 * its peer must stay the pod. Returns whether they were changed.
 */
static __always_inline int mr_getpeername(struct bpf_sock_addr *ctx, struct mr_address *addr,
					  __u16 *port)
{
	struct mr_socket *s;
	struct mr_pod *pod;
	__u64 cookie;

	if (!ctx->sk || (ctx->type != MR_SOCK_STREAM && ctx->type != MR_SOCK_DGRAM))
		return 0;
	s = bpf_sk_storage_get(&mr_sockets, ctx->sk, 0, 0);
	if (s && (s->flags & (MR_SOCKET_REDIRECTED | MR_SOCKET_TRANSLATED))) {
		*addr = mr_load(s->origin);
		*port = s->origin_port;
	} else {
		if (ctx->type != MR_SOCK_STREAM || !mr_is_assigned(addr))
			return 0;
		cookie = bpf_get_netns_cookie(ctx);
		pod = bpf_map_lookup_elem(&mr_pods, &cookie);
		if (!mr_stands_for(pod, cookie, addr, port))
			return 0;
	}
	mr_count(MR_COUNT_PEER_ANSWERED);
	return 1;
}

SEC("cgroup/getpeername4")
int mr_getpeername4(struct bpf_sock_addr *ctx)
{
	struct mr_address addr = mr_mapped(ctx->user_ip4);
	__u16 port = bpf_ntohs(ctx->user_port);

	if (mr_getpeername(ctx, &addr, &port)) {
		ctx->user_ip4 = addr.word[3];
		ctx->user_port = bpf_htons(port);
	}
	return MR_ALLOW;
}

SEC("cgroup/getpeername6")
int mr_getpeername6(struct bpf_sock_addr *ctx)
{
	struct mr_address addr = { .word = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
					     ctx->user_ip6[3] } };
	__u16 port = bpf_ntohs(ctx->user_port);

	if (mr_getpeername(ctx, &addr, &port)) {
		ctx->user_ip6[0] = addr.word[0];
		ctx->user_ip6[1] = addr.word[1];
		ctx->user_ip6[2] = addr.word[2];
		ctx->user_ip6[3] = addr.word[3];
		ctx->user_port = bpf_htons(port);
	}
	return MR_ALLOW;
}
