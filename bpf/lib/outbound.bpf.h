/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_OUTBOUND_H
#define MR_LIB_OUTBOUND_H

#include "lib/address.bpf.h"
#include "lib/identity.bpf.h"
#include "lib/pod.bpf.h"

enum mr_outbound {
	MR_OUTBOUND_DIRECT,
	MR_OUTBOUND_TO_PROXY,
	/* the proxy calls its own pod: to its inbound port */
	MR_OUTBOUND_SELF_HOP,
};

/* A connection that is about to be made. */
struct mr_flow {
	__u64 cookie;
	struct mr_address src;
	struct mr_address dst;
	__u32 uid;
	__u32 gid;
	__u16 dport;
	/* through lo: the destination is an address of the pod */
	__u8 local;
};

/*
 * Istio's OUTPUT chain for a new TCP flow, in its order (O1 to O12 of the
 * contract). One owner rule set per proxy uid, then per proxy gid: with several
 * ids an early "lo, not this id" rule shadows the later ones, which is kept.
 */
static __always_inline enum mr_outbound mr_decide_outbound(const struct mr_pod *pod,
							   struct mr_flow *f)
{
	__u32 port = mr_port_flags_of(f->cookie, f->dport);
	__u32 range = mr_range_flags_of(f->cookie, &f->dst);
	int any = mr_is_wildcard(&f->dst);
	int loopback = any || (range & MR_RANGE_LOOPBACK);
	int hop;

	f->local = any || (range & MR_RANGE_LOCAL) || mr_is_loopback(&f->dst);
	hop = f->local && !loopback && f->dport != pod->tunnel_port;

	if (port & MR_PORT_OUTBOUND_EXCLUDE)
		return MR_OUTBOUND_DIRECT;
	if (f->local && mr_is_passthrough(&f->src))
		return MR_OUTBOUND_DIRECT;
	for (int i = 0; i < MR_SIZE_OWNERS; i++) {
		if (i >= pod->uid_count)
			break;
		if (pod->uids[i] == f->uid)
			return hop ? MR_OUTBOUND_SELF_HOP : MR_OUTBOUND_DIRECT;
		if (f->local && !(pod->flags & MR_POD_LOOPBACK_INCLUDED))
			return MR_OUTBOUND_DIRECT;
	}
	for (int i = 0; i < MR_SIZE_OWNERS; i++) {
		if (i >= pod->gid_count)
			break;
		if (pod->gids[i] == f->gid)
			return hop ? MR_OUTBOUND_SELF_HOP : MR_OUTBOUND_DIRECT;
		if (f->local && !(pod->flags & MR_POD_LOOPBACK_INCLUDED))
			return MR_OUTBOUND_DIRECT;
	}
	if (loopback)
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
