/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_OUTBOUND_H
#define MR_LIB_OUTBOUND_H

#include "lib/address.bpf.h"
#include "lib/identity.bpf.h"
#include "lib/pod.bpf.h"

#define MR_DNS_PORT 53

enum mr_outbound {
	MR_OUTBOUND_DIRECT,
	MR_OUTBOUND_TO_PROXY,
	/* the proxy calls its own pod: to its inbound port */
	MR_OUTBOUND_SELF_HOP,
	/* to the proxy's resolver */
	MR_OUTBOUND_DNS,
};

/* A connection, or a datagram, that is about to be sent. */
struct mr_flow {
	__u64 cookie;
	struct mr_address src;
	struct mr_address dst;
	struct mr_owner owner;
	/* the interface that the socket is bound to; 0: none */
	__u32 interface;
	/* the source that the route chooses */
	struct mr_address source;
	__u16 dport;
	/* the port that the socket is bound to; 0: none yet */
	__u16 sport;
	__u8 udp;
	/* through lo: the destination is an address of the pod */
	__u8 local;
};

/* O0: by the interface that the socket is bound to, else by the route */
static __always_inline int mr_leaves_alone(const struct mr_pod *pod, const struct mr_flow *f,
					   __u32 range)
{
	if (f->local)
		return 0;
	if (f->interface)
		return mr_is_listed(pod->excluded_interfaces, f->interface);
	return !!(range & MR_RANGE_EXCLUDED_ROUTE);
}

/* O6: whether the groups say that this owner's traffic is not captured */
static __always_inline int mr_is_group_left_out(const struct mr_pod *pod, const struct mr_flow *f)
{
	struct mr_group_key key = { .cookie = f->cookie, .gid = f->owner.gid };
	int listed;

	if (!(pod->flags & MR_POD_GROUPS))
		return 0;
	listed = !!bpf_map_lookup_elem(&mr_groups, &key);
	return (pod->flags & MR_POD_GROUPS_ONLY) ? !listed : listed;
}

/*
 * O4: what the pod sends to itself is left alone, for everybody but the owner at
 * hand. DNS capture takes port 53 and UDP out of that.
 */
static __always_inline int mr_is_own_traffic(const struct mr_pod *pod, const struct mr_flow *f)
{
	if (!f->local || (pod->flags & MR_POD_LOOPBACK_INCLUDED))
		return 0;
	if (pod->flags & MR_POD_DNS)
		return !f->udp && f->dport != MR_DNS_PORT;
	return 1;
}

/* What the proxy shall see as its client: the address that the pod would have spoken from. */
static __always_inline void mr_choose_source(const struct mr_pod *pod, struct mr_flow *f,
					     const struct mr_range *range)
{
	if (range) {
		f->source = mr_load(range->source);
		if (!mr_is_zero(&f->source))
			return;
	}
	/* to itself the pod speaks from the address it speaks to */
	if (f->local) {
		f->source = f->dst;
		return;
	}
	f->source = mr_load(mr_is_ipv4(&f->dst) ? pod->addr4 : pod->addr6);
}

/*
 * Istio's OUTPUT chain for a new flow, in its order (O0 to O12 of the contract):
 * enum mr_outbound. A whole function, so that the verifier looks at it once.
 * One owner rule set per proxy uid, then per proxy gid: with several ids an early
 * "lo, not this id" rule shadows the later ones, which is kept.
 */
__noinline int mr_decide_outbound(const struct mr_pod *pod, struct mr_flow *f)
{
	int any, loopback, dns, hop;
	struct mr_range *found;
	__u32 port, range;

	if (!pod || !f)
		return MR_OUTBOUND_DIRECT;
	port = mr_port_flags_of(f->cookie, f->dport);
	found = mr_range_of(f->cookie, &f->dst);
	range = found ? found->flags : 0;
	any = mr_is_wildcard(&f->dst);
	loopback = any || (range & MR_RANGE_LOOPBACK);
	dns = (pod->flags & MR_POD_DNS) && f->dport == MR_DNS_PORT;

	f->local = any || (range & MR_RANGE_LOCAL) || mr_is_loopback(&f->dst);
	mr_choose_source(pod, f, found);
	hop = f->local && !loopback && !f->udp && f->dport != pod->tunnel_port;

	if (mr_leaves_alone(pod, f, range))
		return MR_OUTBOUND_DIRECT;
	if (port & MR_PORT_OUTBOUND_EXCLUDE)
		return MR_OUTBOUND_DIRECT;
	if (f->local && mr_is_passthrough(&f->src))
		return MR_OUTBOUND_DIRECT;
	for (int i = 0; i < MR_SIZE_OWNERS; i++) {
		if (i >= pod->uid_count)
			break;
		if (pod->uids[i] == f->owner.uid)
			return hop && !dns ? MR_OUTBOUND_SELF_HOP : MR_OUTBOUND_DIRECT;
		if (mr_is_own_traffic(pod, f))
			return MR_OUTBOUND_DIRECT;
	}
	for (int i = 0; i < MR_SIZE_OWNERS; i++) {
		if (i >= pod->gid_count)
			break;
		if (pod->gids[i] == f->owner.gid)
			return hop ? MR_OUTBOUND_SELF_HOP : MR_OUTBOUND_DIRECT;
		if (mr_is_own_traffic(pod, f))
			return MR_OUTBOUND_DIRECT;
	}
	if (mr_is_group_left_out(pod, f))
		return MR_OUTBOUND_DIRECT;
	if (dns && ((pod->flags & MR_POD_DNS_ALL) || (range & MR_RANGE_DNS_SERVER)))
		return MR_OUTBOUND_DNS;
	if (f->udp || loopback)
		return MR_OUTBOUND_DIRECT;
	if (range & MR_RANGE_EXCLUDE)
		return MR_OUTBOUND_DIRECT;
	if (port & MR_PORT_OUTBOUND_INCLUDE)
		return MR_OUTBOUND_TO_PROXY;
	if ((pod->flags & MR_POD_OUTBOUND_ALL) || (range & MR_RANGE_INCLUDE))
		return MR_OUTBOUND_TO_PROXY;
	return MR_OUTBOUND_DIRECT;
}

#endif
