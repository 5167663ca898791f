/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_COUNTERS_H
#define MR_ABI_COUNTERS_H

/* Indices of the per-CPU counters. A number is never reused. */
enum mr_counter {
	MR_COUNT_OUTBOUND_REDIRECTED = 0,
	MR_COUNT_OUTBOUND_SELF_HOP = 1,
	MR_COUNT_OUTBOUND_DIRECT = 2,
	MR_COUNT_OUTBOUND_TRANSLATED = 3,
	MR_COUNT_INBOUND_STEERED = 4,
	MR_COUNT_INBOUND_DIRECT = 5,
	/* the proxy does not listen: refused, never passed by */
	MR_COUNT_INBOUND_REFUSED = 6,
	MR_COUNT_BIND_REWRITTEN = 7,
	MR_COUNT_ORIGIN_HANDED_OVER = 8,
	MR_COUNT_ORIGIN_ANSWERED = 9,
	MR_COUNT_PEER_ANSWERED = 10,
	MR_COUNT_LISTENER_ADDED = 11,
	/* a socket on a proxy port that does not belong to the proxy */
	MR_COUNT_LISTENER_FOREIGN = 12,
	/* no memory for what is kept with a socket: the call was refused */
	MR_COUNT_ERROR_STORAGE = 13,
	MR_COUNT_ERROR_HANDOVER = 14,
	MR_COUNT_ERROR_LISTENER = 15,
	MR_COUNT_ERROR_SOURCE_BIND = 16,
	MR_COUNT_ERROR_ASSIGN = 17,
	MR_COUNT_ERROR_EVENT_LOST = 18,
	MR_COUNT_OUTBOUND_DNS = 19,
	MR_COUNT_INBOUND_REROUTED = 20,
	/* no free port towards the resolver: the query was dropped */
	MR_COUNT_ERROR_DNS_PORT = 21,
	/* an option by which packets would go another way than connect() said: refused */
	MR_COUNT_OPTION_REFUSED = 22,
	/* a pod said too much within a second, and was not listened to */
	MR_COUNT_EVENT_SUPPRESSED = 23,
	MR_COUNT_FORWARD_REDIRECTED = 24,
	/* no address or no free port for a forwarded connection: it was dropped */
	MR_COUNT_ERROR_FORWARD = 25,
	/* events for the ring of flows; each was delivered or lost */
	MR_COUNT_FLOW_EMITTED = 26,
	/* the ring of flows was full */
	MR_COUNT_FLOW_LOST = 27,
	/* events that a source was not allowed to send within this second */
	MR_COUNT_FLOW_SUPPRESSED = 28,
	MR_COUNT_POLICY_PASSED = 29,
	MR_COUNT_POLICY_DROPPED = 30,
	/* acceleration: sockets that joined; why others did not */
	MR_COUNT_ACCELERATED_SOCKETS = 31,
	MR_COUNT_ACCELERATED_LEFT = 32,
	MR_COUNT_ACCELERATED_MESSAGES = 33,
	MR_COUNT_ACCELERATED_BYTES = 34,
	/* the other end is no pod of this node, or does not take part */
	MR_COUNT_ACCELERATE_NOT_LOCAL = 35,
	/* a blocking socket, or one whose kind is not known yet */
	MR_COUNT_ACCELERATE_BLOCKING = 36,
	MR_COUNT_ACCELERATE_READER_UNKNOWN = 37,
	/* the table of sockets is full */
	MR_COUNT_ERROR_ACCELERATE_FULL = 38,
	/* messages that went by TCP: the other end did not join */
	MR_COUNT_ACCELERATE_NO_PEER = 39,
	/* bytes are on their way or not read yet */
	MR_COUNT_ACCELERATE_NOT_DRAINED = 40,
	/* the receiver is slow */
	MR_COUNT_ACCELERATE_OVER_LIMIT = 41,
	/* the other end closed */
	MR_COUNT_ACCELERATE_PEER_GONE = 42,
	/* not accepted yet, blocking, or SO_RCVLOWAT is set */
	MR_COUNT_ACCELERATE_PEER_UNFIT = 43,
	/* policy does not allow it: TCP, where the policy program drops it */
	MR_COUNT_ACCELERATE_DENIED = 44,
	/* directions that came to go by sockmap */
	MR_COUNT_ACCELERATE_SWITCHED = 45,
	/* connections between two pods that bypass the proxies of both */
	MR_COUNT_OUTBOUND_JOINED = 46,
	MR_COUNT_INBOUND_JOINED = 47,
	/* what policy denies: sent to the real destination, where it is dropped, or refused at once */
	MR_COUNT_OUTBOUND_DENIED = 48,
	MR_COUNT_OUTBOUND_REJECTED = 49,
	/* by TCP, which bundles them: small messages in a row without an answer */
	MR_COUNT_ACCELERATE_STREAM = 50,
	MR_COUNT_MAX = 51,
};

#endif
