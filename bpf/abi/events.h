/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_EVENTS_H
#define MR_ABI_EVENTS_H

#include <linux/types.h>

enum mr_event_kind {
	/* the proxy listens on one of its ports */
	MR_EVENT_LISTENER = 1,
	/* another process listens on one of the proxy's ports */
	MR_EVENT_LISTENER_FOREIGN = 2,
	/* the table of original destinations is full */
	MR_EVENT_HANDOVER_FULL = 3,
	/* no memory for what is kept with a socket */
	MR_EVENT_STORAGE_FAILED = 4,
};

/* One record of the ring. error is a positive errno or 0; uid is that of the socket. */
struct mr_event {
	__u64 time_ns;
	__u64 cookie;
	__u32 kind;
	__u32 error;
	__u32 uid;
	__u16 port;
	__u16 family;
	__u8 addr[16];
};
_Static_assert(sizeof(struct mr_event) == 48, "struct mr_event is ABI");

#endif
