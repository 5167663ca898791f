/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_FLOW_EVENT_H
#define MR_LIB_FLOW_EVENT_H

#include "lib/address.bpf.h"
#include "lib/maps.bpf.h"

/* The reader looks by itself every few milliseconds; it is woken only when so much waits. */
#define MR_FLOWS_WAKE_BYTES (MR_SIZE_FLOWS_BYTES / 8)
/* What a record takes in the ring: with its header. */
#define MR_FLOW_RECORD_BYTES (sizeof(struct mr_flow_event) + 8)

/*
 * As mr_count(), for programs that may be interrupted on their CPU by another one that
 * counts the same: what was emitted is what was delivered and what was lost, exactly.
 */
static __always_inline void mr_count_exactly(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&mr_counters, &counter);

	if (value)
		__sync_fetch_and_add(value, 1);
}

static __always_inline const struct mr_settings *mr_settings_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mr_settings, &zero);
}

static __always_inline __u32 mr_policy_epoch(void)
{
	const struct mr_settings *settings = mr_settings_row();

	return settings ? settings->policy_epoch : 0;
}

/* One source must not blind the reader for all others: so many events within a second, on each CPU. */
static __always_inline int mr_may_tell(__u64 cookie, __u64 now)
{
	const struct mr_settings *settings = mr_settings_row();
	struct mr_flow_usage *usage, first = { .second = now >> 30, .count = 1 };

	if (!settings || !settings->flow_limit)
		return 1;
	usage = bpf_map_lookup_elem(&mr_flow_usage, &cookie);
	if (!usage) {
		bpf_map_update_elem(&mr_flow_usage, &cookie, &first, BPF_ANY);
		return 1;
	}
	if (usage->second != first.second)
		*usage = first;
	else if (usage->count >= settings->flow_limit)
		return 0;
	else
		usage->count++;
	return 1;
}

/*
 * Room for an event of this pod, all zero but its time and pod; NULL when it may not
 * be told or the ring is full, which is counted. mr_flow_submit() must follow.
 */
static __always_inline struct mr_flow_event *mr_flow_reserve(__u64 cookie)
{
	__u64 now = bpf_ktime_get_ns();
	struct mr_flow_event *e;

	if (!mr_may_tell(cookie, now)) {
		mr_count_exactly(MR_COUNT_FLOW_SUPPRESSED);
		return 0;
	}
	mr_count_exactly(MR_COUNT_FLOW_EMITTED);
	e = bpf_ringbuf_reserve(&mr_flows, sizeof(*e), 0);
	if (!e) {
		mr_count_exactly(MR_COUNT_FLOW_LOST);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = now;
	e->cookie = cookie;
	return e;
}

static __always_inline void mr_flow_submit(struct mr_flow_event *e)
{
	__u64 waiting = bpf_ringbuf_query(&mr_flows, BPF_RB_AVAIL_DATA);
	int crossed = waiting >= MR_FLOWS_WAKE_BYTES &&
		      waiting < MR_FLOWS_WAKE_BYTES + MR_FLOW_RECORD_BYTES;

	bpf_ringbuf_submit(e, crossed ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

#endif
