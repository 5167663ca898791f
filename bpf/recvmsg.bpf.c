// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/recvmsg4, recvmsg6: an answer comes from the name server that was asked. */
#include "lib/connect.bpf.h"

/* addr and port are the sender's; returns whether they were changed to the server's. */
static __always_inline int mr_recvmsg(__u64 cookie, struct mr_address *addr, __u16 port)
{
	struct mr_pod *pod;

	if (!mr_is_spread(addr))
		return 0;
	pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	if (!pod || !(pod->flags & MR_POD_DNS) || port != pod->dns_port)
		return 0;
	return mr_dns_server_at(cookie, addr);
}

SEC("cgroup/recvmsg4")
int mr_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct mr_address addr = mr_mapped(ctx->user_ip4);

	if (mr_recvmsg(bpf_get_netns_cookie(ctx), &addr, bpf_ntohs(ctx->user_port))) {
		ctx->user_ip4 = addr.word[3];
		ctx->user_port = bpf_htons(MR_DNS_PORT);
	}
	return MR_ALLOW;
}

SEC("cgroup/recvmsg6")
int mr_recvmsg6(struct bpf_sock_addr *ctx)
{
	struct mr_address addr = { .word = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
					     ctx->user_ip6[3] } };

	if (mr_recvmsg(bpf_get_netns_cookie(ctx), &addr, bpf_ntohs(ctx->user_port))) {
		ctx->user_ip6[0] = addr.word[0];
		ctx->user_ip6[1] = addr.word[1];
		ctx->user_ip6[2] = addr.word[2];
		ctx->user_ip6[3] = addr.word[3];
		ctx->user_port = bpf_htons(MR_DNS_PORT);
	}
	return MR_ALLOW;
}
