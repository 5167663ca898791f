// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* sk_lookup: new connections to the pod go to the proxy's listener. */
#include "lib/connect.bpf.h"
#include "lib/cookie.bpf.h"
#include "lib/inbound.bpf.h"

static __always_inline int mr_steer(struct bpf_sk_lookup *ctx, __u64 cookie, __u16 port)
{
	struct mr_listener_key key = { .cookie = cookie, .port = port };

	/* an IPv6 listener that is not IPV6_V6ONLY serves IPv4 too, so of each slot it is tried second */
	for (int i = 0; i < 2 * MR_SIZE_LISTENER_SLOTS; i++) {
		struct bpf_sock *sk;
		long err;

		key.family = i % 2 ? 6 : 4;
		key.slot = i / 2;
		if (ctx->family != MR_AF_INET && key.family == 4)
			continue;
		sk = bpf_map_lookup_elem(&mr_listeners, &key);
		if (!sk)
			continue;
		err = bpf_sk_assign(ctx, sk, 0);
		bpf_sk_release(sk);
		if (!err) {
			mr_count(MR_COUNT_INBOUND_STEERED);
			return SK_PASS;
		}
		mr_count(MR_COUNT_ERROR_ASSIGN);
	}
	mr_count(MR_COUNT_INBOUND_REFUSED);
	return SK_DROP;
}

/*
 * Whether connect() has sent this connection to the proxy: then it leads only
 * there, whoever else listens on the proxy's port. Without an entry (the table
 * was full) the address tells as much as it can.
 */
static __always_inline int mr_is_redirected(struct bpf_sk_lookup *ctx, const struct mr_pod *pod,
					    __u64 cookie, const struct mr_address *local,
					    const struct mr_address *remote, int own)
{
	struct mr_tuple key = {
		.cookie = cookie,
		.sport = bpf_ntohs(ctx->remote_port),
		.dport = ctx->local_port,
	};

	if (!mr_is_proxy_port(pod, key.dport))
		return 0;
	mr_store(key.src, remote);
	mr_store(key.dst, local);
	return own && mr_is_spread(local) ? 1 : !!bpf_map_lookup_elem(&mr_handovers, &key);
}

SEC("sk_lookup")
int mr_sk_lookup(struct bpf_sk_lookup *ctx)
{
	__u64 cookie = mr_own_cookie();
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	struct mr_address local, remote;
	int own;

	if (!pod || !(pod->flags & MR_POD_INBOUND_LOOKUP) || ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	if (ctx->family == MR_AF_INET) {
		local = mr_mapped(MR_FIELD(ctx->local_ip4));
		remote = mr_mapped(MR_FIELD(ctx->remote_ip4));
	} else {
		if (!(pod->flags & MR_POD_IPV6))
			return SK_PASS;
		local.word[0] = MR_FIELD(ctx->local_ip6[0]);
		local.word[1] = MR_FIELD(ctx->local_ip6[1]);
		local.word[2] = MR_FIELD(ctx->local_ip6[2]);
		local.word[3] = MR_FIELD(ctx->local_ip6[3]);
		remote.word[0] = MR_FIELD(ctx->remote_ip6[0]);
		remote.word[1] = MR_FIELD(ctx->remote_ip6[1]);
		remote.word[2] = MR_FIELD(ctx->remote_ip6[2]);
		remote.word[3] = MR_FIELD(ctx->remote_ip6[3]);
	}
	/*
	 * What the pod sends to itself was decided at connect(). ingress_ifindex
	 * cannot tell: the local route reports the pod's interface, not lo.
	 */
	own = mr_is_own(pod, cookie, &remote);
	if (mr_is_redirected(ctx, pod, cookie, &local, &remote, own))
		return mr_steer(ctx, cookie, ctx->local_port);
	if (own)
		return SK_PASS;
	if ((pod->flags & MR_POD_DIRECT) &&
	    mr_was_noted(&remote, bpf_ntohs(ctx->remote_port), &local, ctx->local_port)) {
		mr_count(MR_COUNT_INBOUND_JOINED);
		return SK_PASS;
	}
	switch (mr_decide_inbound(pod, cookie, &local, ctx->local_port, ctx->ingress_ifindex)) {
	case MR_INBOUND_TO_OUTBOUND:
		mr_count(MR_COUNT_INBOUND_REROUTED);
		return mr_steer(ctx, cookie, pod->outbound_port);
	case MR_INBOUND_TO_PROXY:
		return mr_steer(ctx, cookie, pod->inbound_port);
	case MR_INBOUND_DIRECT:
		break;
	}
	mr_count(MR_COUNT_INBOUND_DIRECT);
	return SK_PASS;
}
