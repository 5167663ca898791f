/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_INBOUND_H
#define MR_LIB_INBOUND_H

#include "lib/pod.bpf.h"

/*
 * Istio's PREROUTING chain for a new TCP flow from outside (P2 to P5 of the
 * contract): whether the port belongs to the proxy.
 */
static __always_inline int mr_is_inbound_captured(const struct mr_pod *pod, __u64 cookie,
						  __u16 port)
{
	__u32 flags;

	if (port == pod->tunnel_port && !(pod->flags & MR_POD_TPROXY))
		return 0;
	flags = mr_port_flags_of(cookie, port);
	if (pod->flags & MR_POD_INBOUND_ALL)
		return !(flags & MR_PORT_INBOUND_EXCLUDE);
	return !!(flags & MR_PORT_INBOUND_INCLUDE);
}

enum mr_inbound {
	MR_INBOUND_DIRECT,
	MR_INBOUND_TO_PROXY,
	/* arrived on an interface whose guests are treated as the pod's own applications */
	MR_INBOUND_TO_OUTBOUND,
};

/* P0 to P5, with the interface that the connection arrived on. */
static __always_inline enum mr_inbound mr_decide_inbound(const struct mr_pod *pod, __u64 cookie,
							 const struct mr_address *local, __u16 port,
							 __u32 interface)
{
	if (mr_is_listed(pod->rerouted_interfaces, interface)) {
		if ((pod->flags & MR_POD_OUTBOUND_ALL) ||
		    (mr_range_flags_of(cookie, local) & MR_RANGE_INCLUDE))
			return MR_INBOUND_TO_OUTBOUND;
		return MR_INBOUND_DIRECT;
	}
	if (mr_is_listed(pod->excluded_interfaces, interface))
		return MR_INBOUND_DIRECT;
	return mr_is_inbound_captured(pod, cookie, port) ? MR_INBOUND_TO_PROXY : MR_INBOUND_DIRECT;
}

#endif
