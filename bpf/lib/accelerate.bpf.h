/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_ACCELERATE_H
#define MR_LIB_ACCELERATE_H

#include <linux/in.h>

#include "lib/peer.bpf.h"
#include "lib/verdict.bpf.h"

/* 1: redirect always, as others do. Built for the torture suite alone, which must fail with it. */
#ifndef MR_NAIVE
#define MR_NAIVE 0
#endif

static __always_inline struct mr_settings *mr_get_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mr_settings, &zero);
}

/* Whether acceleration holds at all, and not only for whom the self-test made. */
static __always_inline int mr_accelerates(int self_test)
{
	struct mr_settings *settings = mr_get_settings();
	__u32 accelerate = settings ? settings->accelerate : MR_ACCELERATION_OFF;

	return accelerate == MR_ACCELERATION_ON ||
	       (self_test && accelerate == MR_ACCELERATION_SELF_TEST);
}

static __always_inline int mr_is_self_test(const struct mr_sending *s)
{
	return s->flags & MR_SENDING_SELF_TEST;
}

/* Counts what a member does, unless it only tries. */
static __always_inline void mr_count_of(const struct mr_sending *s, __u32 counter)
{
	if (!mr_is_self_test(s))
		mr_count(counter);
}

/*
 * Whether the policies of both ends let the client speak with the server: asked for
 * connections between pods, whose packets the policy programs would have seen.
 */
static __always_inline int mr_is_permitted(const struct mr_sending *s)
{
	int opened = s->flags & MR_SENDING_OPENED;
	struct mr_address client = mr_load(opened ? s->peer.remote : s->peer.local);
	struct mr_address server = mr_load(opened ? s->peer.local : s->peer.remote);
	__be16 port = bpf_htons(opened ? s->peer.local_port : s->peer.remote_port);
	__u32 from, to;

	if (s->peer.cookie)
		return 1;
	from = mr_identity_of(&client);
	to = mr_identity_of(&server);
	if (mr_policy_verdict(from, to, MR_EGRESS, IPPROTO_TCP, port).verdict)
		return 0;
	return !mr_policy_verdict(to, from, MR_INGRESS, IPPROTO_TCP, port).verdict;
}

/*
 * Acceleration was switched off while the other end has bytes of the sockmap unread. A
 * reader that waits by MSG_PEEK for more would not see what TCP brings behind them
 * (Linux 6.18), so the change waits for it.
 */
static __always_inline int mr_is_still_read(const struct mr_sending *s)
{
	struct tcp_sock *peer = (struct tcp_sock *)s->peer_sock;

	return s->path == MR_PATH_SOCKMAP && peer && mr_is_still(peer, s->peer_cookie) &&
	       mr_unread(peer) > 0;
}

/*
 * Whether a direction may skip TCP at all: acceleration is on, and policy, asked again
 * whenever it changed, allows it. What it does not allow goes by TCP, where the
 * policy programs drop and report it as every other packet.
 */
static __always_inline int mr_may_accelerate(struct mr_sending *s)
{
	struct mr_settings *settings = mr_get_settings();

	if (!settings)
		return 0;
	if (s->epoch != settings->policy_epoch) {
		s->epoch = settings->policy_epoch;
		if (mr_is_permitted(s))
			s->flags &= ~MR_SENDING_DENIED;
		else
			s->flags |= MR_SENDING_DENIED;
	}
	if (s->flags & MR_SENDING_DENIED) {
		mr_count_of(s, MR_COUNT_ACCELERATE_DENIED);
		return 0;
	}
	return mr_accelerates(mr_is_self_test(s)) || mr_is_still_read(s);
}

#endif
