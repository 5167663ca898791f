/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_FLOW_H
#define MR_ABI_FLOW_H

#include <linux/types.h>

/* Cilium's numbers where it has the event (pkg/monitor/api), ours from 200 on. */
enum mr_flow_type {
	MR_FLOW_DROP = 1,
	MR_FLOW_TRACE = 4,
	MR_FLOW_VERDICT = 5,
	/* a connection that programs on sockets saw: established, and closed with its bytes */
	MR_FLOW_OPEN = 200,
	MR_FLOW_CLOSE = 201,
};

/* Why something was dropped: Cilium's numbers, as Hubble shows them. Never reused. */
enum mr_drop {
	MR_DROP_INVALID_SOURCE_IP = 132,
	/* no rule allows it */
	MR_DROP_POLICY = 133,
	MR_DROP_INVALID_PACKET = 134,
	MR_DROP_UNKNOWN_L3 = 139,
	MR_DROP_UNKNOWN_L4 = 142,
	MR_DROP_CONNTRACK_INSERT = 155,
	MR_DROP_INVALID_EXTENSION_HEADER = 156,
	MR_DROP_FRAGMENT = 157,
	MR_DROP_NO_SERVICE_BACKEND = 158,
	/* a rule denies it */
	MR_DROP_POLICY_DENY = 181,
	/* policy is enforced, but its rows are not there: closed */
	MR_DROP_NOT_READY = 203,
};

/* Where a trace was made (Cilium's numbers). */
enum mr_observation_point {
	/* on its way to the pod */
	MR_OBSERVED_TO_ENDPOINT = 0,
	MR_OBSERVED_TO_PROXY = 1,
	MR_OBSERVED_TO_STACK = 3,
	MR_OBSERVED_FROM_ENDPOINT = 5,
	MR_OBSERVED_FROM_PROXY = 6,
};

/* How a packet stands to its connection (Cilium's numbers). */
enum mr_trace_reason {
	MR_REASON_NEW = 0,
	MR_REASON_ESTABLISHED = 1,
	MR_REASON_REPLY = 2,
	MR_REASON_RELATED = 3,
	MR_REASON_UNKNOWN = 6,
};

enum mr_flow_flags {
	MR_FLOW_REPLY = 1 << 0,
	/* whether it is a reply is not known */
	MR_FLOW_REPLY_UNKNOWN = 1 << 1,
	MR_FLOW_AUDITED = 1 << 2,
	/* the application's connection was handed to the proxy */
	MR_FLOW_REDIRECTED = 1 << 3,
	/* bytes skipped the TCP stack */
	MR_FLOW_ACCELERATED = 1 << 4,
	/* two applications were joined without their proxies */
	MR_FLOW_DIRECT = 1 << 5,
	/* the socket belongs to a proxy */
	MR_FLOW_OF_PROXY = 1 << 6,
};

/* One record of the ring of flows. Addresses are 16 bytes, IPv4 mapped; ports in host order. */
struct mr_flow_event {
	/* CLOCK_MONOTONIC */
	__u64 time_ns;
	/* the pod where it was seen */
	__u64 cookie;
	__u8 src[16];
	__u8 dst[16];
	__u32 src_identity;
	__u32 dst_identity;
	__u16 sport;
	/* ICMP: type << 8 | code */
	__u16 dport;
	__u8 protocol;
	__u8 tcp_flags;
	/* 4 or 6 */
	__u8 family;
	/* enum mr_direction: with respect to the pod where it was seen */
	__u8 direction;
	/* enum mr_flow_type */
	__u8 type;
	/* enum mr_drop, enum mr_observation_point, or 0 */
	__u8 subtype;
	/* enum mr_trace_reason */
	__u8 reason;
	__u8 flags;
	/* what decided (struct mr_policy_tier); 0: nothing did */
	__u32 rule;
	__u32 interface;
	/* bytes of the packet */
	__u32 length;
	/* of a connection when it closes: what the pod sent and received; by sk_msg alone where accelerated */
	__u64 bytes_sent;
	__u64 bytes_received;
	__u64 bytes_accelerated;
	/* where the connection was redirected: what the application dialled; else all zero */
	__u8 origin[16];
	__u16 origin_port;
	__u16 pad;
	__u32 pad2;
};
_Static_assert(sizeof(struct mr_flow_event) == 128, "struct mr_flow_event is ABI");

/* How much is told (Cilium's monitor aggregation). Drops and verdicts are always told. */
enum mr_aggregation {
	/* a trace for every packet */
	MR_AGGREGATE_NONE = 0,
	/* none for packets on their way from the pod */
	MR_AGGREGATE_LOW = 1,
	/* the first of a connection, changes of its TCP flags, and one in five seconds */
	MR_AGGREGATE_MEDIUM = 2,
};

#endif
