/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_EVENT_H
#define MR_LIB_EVENT_H

#include "lib/address.bpf.h"
#include "lib/count.bpf.h"
#include "lib/maps.bpf.h"

/* One pod must not fill the ring for all: so many events of a kind within a second, no more. */
static __always_inline int mr_may_emit(__u64 cookie, __u32 kind, __u64 now)
{
	struct mr_usage *usage = bpf_map_lookup_elem(&mr_usage, &cookie);
	__u32 second = now >> 30;

	if (!usage)
		return 1;
	kind &= 7;
	if (usage->event_seconds[kind] != second) {
		usage->event_seconds[kind] = second;
		usage->event_counts[kind] = 0;
	}
	if (usage->event_counts[kind] >= MR_SIZE_POD_EVENTS)
		return 0;
	__sync_fetch_and_add(&usage->event_counts[kind], 1);
	return 1;
}

static __always_inline void mr_emit(__u32 kind, __u64 cookie, __u32 error, __u32 uid,
				    const struct mr_address *addr, __u16 port, __u16 family)
{
	__u64 now = bpf_ktime_get_ns();
	struct mr_event *e;

	if (!mr_may_emit(cookie, kind, now)) {
		mr_count(MR_COUNT_EVENT_SUPPRESSED);
		return;
	}
	e = bpf_ringbuf_reserve(&mr_events, sizeof(*e), 0);
	if (!e) {
		mr_count(MR_COUNT_ERROR_EVENT_LOST);
		return;
	}
	e->time_ns = now;
	e->cookie = cookie;
	e->kind = kind;
	e->error = error;
	e->uid = uid;
	e->port = port;
	e->family = family;
	mr_store(e->addr, addr);
	bpf_ringbuf_submit(e, 0);
}

#endif
