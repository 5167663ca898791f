/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_INBOUND_H
#define MR_LIB_INBOUND_H

#include "lib/pod.bpf.h"

/*
 * Istio's PREROUTING chain for a new TCP flow from outside (P2 to P5 of the
 * contract): whether the port belongs to the proxy.
 */
static __always_inline int mr_is_inbound_captured(const struct mr_pod *pod, __u64 cookie, __u16 port)
{
	__u32 flags;

	if (port == pod->tunnel_port)
		return 0;
	flags = mr_port_flags_of(cookie, port);
	if (pod->flags & MR_POD_INBOUND_ALL)
		return !(flags & MR_PORT_INBOUND_EXCLUDE);
	return !!(flags & MR_PORT_INBOUND_INCLUDE);
}

#endif
