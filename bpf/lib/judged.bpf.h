/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_JUDGED_H
#define MR_LIB_JUDGED_H

#include <linux/pkt_cls.h>

#include "lib/conntrack.bpf.h"
#include "lib/count.bpf.h"
#include "lib/flow-event.bpf.h"
#include "lib/policy-ports.bpf.h"

/* A packet at a pod's interface while it is judged. */
struct mr_judged {
	struct mr_seen seen;
	struct mr_found found;
	__u64 now;
	/* of the pod, and of whoever it speaks with */
	__u32 own;
	__u32 peer;
	/* of the pod: enum mr_endpoint_flags */
	__u32 endpoint_flags;
	__u32 length;
	__u32 interface;
	__u32 rule;
	/* enum mr_trace_reason */
	__u8 reason;
	/* enum mr_flow_flags */
	__u8 flow_flags;
};

/* Tells what happened to a packet: enum mr_flow_type, and what belongs to it. */
MR_ONCE int mr_tell(const struct mr_judged *j, __u32 type, __u32 subtype)
{
	const struct mr_seen *p = &j->seen;
	struct mr_flow_event *e;
	int egress;

	if (!j)
		return 0;
	e = mr_flow_reserve(p->cookie);
	if (!e)
		return 0;
	egress = p->direction == MR_EGRESS;
	mr_store(e->src, &p->src);
	mr_store(e->dst, &p->dst);
	e->src_identity = egress ? j->own : j->peer;
	e->dst_identity = egress ? j->peer : j->own;
	if (p->protocol == (p->family == 4 ? MR_NEXT_ICMP : MR_NEXT_ICMP6)) {
		e->dport = p->icmp;
	} else {
		e->sport = p->sport;
		e->dport = p->dport;
	}
	e->protocol = p->protocol;
	e->tcp_flags = p->tcp_flags;
	e->family = p->family;
	e->direction = p->direction;
	e->type = type;
	e->subtype = subtype;
	e->reason = j->reason;
	e->flags = j->flow_flags;
	e->rule = j->rule;
	e->interface = j->interface;
	e->length = j->length;
	mr_flow_submit(e);
	return 1;
}

/* The end of every packet that does not pass. drop: enum mr_drop */
static __always_inline int mr_drop_packet(struct mr_judged *j, __u32 drop)
{
	mr_count(MR_COUNT_POLICY_DROPPED);
	mr_tell(j, MR_FLOW_DROP, drop);
	return TC_ACT_SHOT;
}

/* The end of every packet that passes. `telling`: also at medium aggregation */
static __always_inline int mr_pass_packet(struct mr_judged *j, int telling)
{
	const struct mr_settings *settings = mr_settings_row();
	__u32 aggregation = settings ? settings->aggregation : MR_AGGREGATE_MEDIUM;
	int egress = j->seen.direction == MR_EGRESS;

	mr_count(MR_COUNT_POLICY_PASSED);
	if (egress && aggregation == MR_AGGREGATE_NONE)
		mr_tell(j, MR_FLOW_TRACE, MR_OBSERVED_FROM_ENDPOINT);
	if (telling || aggregation < MR_AGGREGATE_MEDIUM)
		mr_tell(j, MR_FLOW_TRACE, egress ? MR_OBSERVED_TO_STACK : MR_OBSERVED_TO_ENDPOINT);
	return TC_ACT_UNSPEC;
}

#endif
