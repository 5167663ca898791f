/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_CONNECT_UDP_H
#define MR_LIB_CONNECT_UDP_H

#include "lib/divert.bpf.h"
#include "lib/dns.bpf.h"

/* Whether datagrams of this flow may concern us at all, told without a lookup of their owner. */
static __always_inline int mr_is_dns(const struct mr_pod *pod, const struct mr_flow *f)
{
	if (!(pod->flags & MR_POD_OUTBOUND) || !(pod->flags & MR_POD_DNS) ||
	    f->dport != MR_DNS_PORT)
		return 0;
	return mr_is_ipv4(&f->dst) || (pod->flags & MR_POD_IPV6);
}

/*
 * connect() of a UDP socket. Its peer becomes the address that stands for the
 * server; what it sends there reaches the resolver (dns_nat.bpf.c).
 */
__noinline int mr_connect_udp(struct bpf_sock_addr *ctx, struct mr_flow *f)
{
	struct mr_address spread, source;
	struct mr_socket *s;
	struct mr_pod *pod;

	if (!f || !ctx->sk)
		return MR_ALLOW;
	pod = bpf_map_lookup_elem(&mr_pods, &f->cookie);
	if (!pod)
		return MR_ALLOW;
	f->udp = 1;
	if (!mr_is_dns(pod, f)) {
		mr_forget(ctx);
		return MR_ALLOW;
	}
	s = mr_socket_of(ctx, f);
	if (!s || !mr_owner_of(ctx->sk, &f->owner))
		return MR_REFUSE;
	s->flags &= ~(MR_SOCKET_REDIRECTED | MR_SOCKET_TRANSLATED);
	if (mr_decide_outbound(pod, f) != MR_OUTBOUND_DNS)
		return MR_ALLOW;
	if (!mr_dns_spread(pod, f->cookie, &f->dst, &spread))
		return MR_REFUSE;
	mr_remember(s, MR_SOCKET_REDIRECTED, &f->dst, f->dport);
	source = f->source;
	if (!f->sport && mr_is_wildcard(&f->src) && !mr_is_wildcard(&source) &&
	    !mr_is_loopback(&source) && mr_bind_source(ctx, &source))
		mr_count(MR_COUNT_ERROR_SOURCE_BIND);
	f->dst = spread;
	f->dport = pod->dns_port;
	mr_count(MR_COUNT_OUTBOUND_DNS);
	return MR_ALLOW;
}

#endif
