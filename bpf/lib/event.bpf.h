/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_EVENT_H
#define MR_LIB_EVENT_H

#include "lib/address.bpf.h"
#include "lib/count.bpf.h"
#include "lib/maps.bpf.h"

static __always_inline void mr_emit(__u32 kind, __u64 cookie, __u32 error, __u32 uid,
				    const struct mr_address *addr, __u16 port, __u16 family)
{
	struct mr_event *e = bpf_ringbuf_reserve(&mr_events, sizeof(*e), 0);

	if (!e) {
		mr_count(MR_COUNT_ERROR_EVENT_LOST);
		return;
	}
	e->time_ns = bpf_ktime_get_ns();
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
