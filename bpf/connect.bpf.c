// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/connect4, connect6: outbound connections go to the proxy, DNS to its resolver. */
#include "lib/connect.bpf.h"

SEC("cgroup/connect4")
int mr_connect4(struct bpf_sock_addr *ctx)
{
	struct mr_flow f = {
		.cookie = bpf_get_netns_cookie(ctx),
		.dst = mr_mapped(ctx->user_ip4),
		.dport = bpf_ntohs(ctx->user_port),
	};
	struct bpf_sock *sk = ctx->sk;
	int verdict;

	if (!sk)
		return MR_ALLOW;
	f.src = mr_mapped(sk->src_ip4);
	f.sport = sk->src_port;
	verdict = mr_connect(ctx, &f);
	ctx->user_ip4 = f.dst.word[3];
	ctx->user_port = bpf_htons(f.dport);
	return verdict;
}

SEC("cgroup/connect6")
int mr_connect6(struct bpf_sock_addr *ctx)
{
	struct mr_flow f = {
		.cookie = bpf_get_netns_cookie(ctx),
		.dst = { .word = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
				   ctx->user_ip6[3] } },
		.dport = bpf_ntohs(ctx->user_port),
	};
	struct bpf_sock *sk = ctx->sk;
	int verdict;

	if (!sk)
		return MR_ALLOW;
	f.src.word[0] = sk->src_ip6[0];
	f.src.word[1] = sk->src_ip6[1];
	f.src.word[2] = sk->src_ip6[2];
	f.src.word[3] = sk->src_ip6[3];
	f.sport = sk->src_port;
	verdict = mr_connect(ctx, &f);
	ctx->user_ip6[0] = f.dst.word[0];
	ctx->user_ip6[1] = f.dst.word[1];
	ctx->user_ip6[2] = f.dst.word[2];
	ctx->user_ip6[3] = f.dst.word[3];
	ctx->user_port = bpf_htons(f.dport);
	return verdict;
}
