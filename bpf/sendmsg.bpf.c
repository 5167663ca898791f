// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/sendmsg4, sendmsg6: DNS queries of sockets that are not connected go to the proxy's resolver. */
#include "lib/connect.bpf.h"

/* On return dst and dport are where to send; src is the pod's address, or the wildcard to leave it. */
static __always_inline int mr_sendmsg(struct bpf_sock_addr *ctx, struct mr_flow *f)
{
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &f->cookie);
	struct mr_address spread;

	if (!pod || !ctx->sk || !mr_is_dns(pod, f))
		return MR_ALLOW;
	f->interface = ctx->sk->bound_dev_if;
	f->udp = 1;
	if (!mr_owner_of(ctx->sk, &f->owner))
		return MR_REFUSE;
	if (mr_decide_outbound(pod, f) != MR_OUTBOUND_DNS)
		return MR_ALLOW;
	if (!mr_dns_spread(pod, f->cookie, &f->dst, &spread))
		return MR_REFUSE;
	if (mr_is_wildcard(&f->src))
		f->src = f->source;
	f->dst = spread;
	f->dport = pod->dns_port;
	mr_count(MR_COUNT_OUTBOUND_DNS);
	return MR_ALLOW;
}

SEC("cgroup/sendmsg4")
int mr_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct mr_flow f = {
		.cookie = bpf_get_netns_cookie(ctx),
		.src = mr_mapped(ctx->msg_src_ip4),
		.dst = mr_mapped(ctx->user_ip4),
		.dport = bpf_ntohs(ctx->user_port),
	};
	int verdict = mr_sendmsg(ctx, &f);

	if (f.udp && f.dport != MR_DNS_PORT) {
		ctx->user_ip4 = f.dst.word[3];
		ctx->user_port = bpf_htons(f.dport);
		ctx->msg_src_ip4 = f.src.word[3];
	}
	return verdict;
}

SEC("cgroup/sendmsg6")
int mr_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct mr_flow f = {
		.cookie = bpf_get_netns_cookie(ctx),
		.src = { .word = { ctx->msg_src_ip6[0], ctx->msg_src_ip6[1], ctx->msg_src_ip6[2],
				   ctx->msg_src_ip6[3] } },
		.dst = { .word = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
				   ctx->user_ip6[3] } },
		.dport = bpf_ntohs(ctx->user_port),
	};
	int verdict = mr_sendmsg(ctx, &f);

	if (f.udp && f.dport != MR_DNS_PORT) {
		ctx->user_ip6[0] = f.dst.word[0];
		ctx->user_ip6[1] = f.dst.word[1];
		ctx->user_ip6[2] = f.dst.word[2];
		ctx->user_ip6[3] = f.dst.word[3];
		ctx->user_port = bpf_htons(f.dport);
		ctx->msg_src_ip6[0] = f.src.word[0];
		ctx->msg_src_ip6[1] = f.src.word[1];
		ctx->msg_src_ip6[2] = f.src.word[2];
		ctx->msg_src_ip6[3] = f.src.word[3];
	}
	return verdict;
}
