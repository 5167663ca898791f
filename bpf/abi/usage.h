/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_USAGE_H
#define MR_ABI_USAGE_H

#include <linux/types.h>

/* What one pod uses of what all pods share. User space makes it with the pod's row; only programs change it. */
struct mr_usage {
	/* read as signed: below zero after a pod was released and enrolled again while connections were on their way */
	__u32 handovers;
	__u32 pad;
	/* by enum mr_event_kind: the second (of 2^30 ns) of the last event, and how many there were in it */
	__u32 event_seconds[8];
	__u32 event_counts[8];
};
_Static_assert(sizeof(struct mr_usage) == 72, "struct mr_usage is ABI");

#endif
