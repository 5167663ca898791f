// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/getpeername4, getpeername6: the application sees what it dialled. */
#include "lib/connect.bpf.h"

/*
 * Only the client's end lies. The proxy's end carries storage too (the handed
 * over origin), and its peer must stay the pod.
 */
static __always_inline struct mr_socket *mr_dialled(struct bpf_sock_addr *ctx)
{
	struct mr_socket *s;

	if (!ctx->sk || (ctx->type != MR_SOCK_STREAM && ctx->type != MR_SOCK_DGRAM))
		return NULL;
	s = bpf_sk_storage_get(&mr_sockets, ctx->sk, 0, 0);
	if (!s || !(s->flags & (MR_SOCKET_REDIRECTED | MR_SOCKET_TRANSLATED)))
		return NULL;
	mr_count(MR_COUNT_PEER_ANSWERED);
	return s;
}

SEC("cgroup/getpeername4")
int mr_getpeername4(struct bpf_sock_addr *ctx)
{
	struct mr_socket *s = mr_dialled(ctx);
	struct mr_address origin;

	if (!s)
		return MR_ALLOW;
	origin = mr_load(s->origin);
	ctx->user_ip4 = origin.word[3];
	ctx->user_port = bpf_htons(s->origin_port);
	return MR_ALLOW;
}

SEC("cgroup/getpeername6")
int mr_getpeername6(struct bpf_sock_addr *ctx)
{
	struct mr_socket *s = mr_dialled(ctx);
	struct mr_address origin;

	if (!s)
		return MR_ALLOW;
	origin = mr_load(s->origin);
	ctx->user_ip6[0] = origin.word[0];
	ctx->user_ip6[1] = origin.word[1];
	ctx->user_ip6[2] = origin.word[2];
	ctx->user_ip6[3] = origin.word[3];
	ctx->user_port = bpf_htons(s->origin_port);
	return MR_ALLOW;
}
