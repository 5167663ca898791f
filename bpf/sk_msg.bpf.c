// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* sk_msg: a message of a socket that joined goes straight into the other end's queue, when that is as good as TCP. */
#include "lib/accelerate.bpf.h"

/* Why this message goes by TCP: a counter, or -1 when it need not. */
static __always_inline int mr_reason_for_tcp(struct mr_sending *s, const struct mr_pair *p,
					     __u32 size)
{
	int streaming;

	if (!mr_is_still(p->peer, s->peer_cookie)) {
		s->path = MR_PATH_NEVER;
		return MR_COUNT_ACCELERATE_PEER_GONE;
	}
	streaming = mr_is_streaming(s, p, size);
	if (s->path == MR_PATH_SOCKMAP) {
		/* not while it has bytes unread: it may wait by MSG_PEEK for more, and would not see TCP's behind them */
		if (streaming && !mr_unread(p->peer)) {
			s->path = MR_PATH_TCP;
			return MR_COUNT_ACCELERATE_STREAM;
		}
		if (mr_unread(p->peer) <= MR_SIZE_ACCELERATED_QUEUE)
			return -1;
		/* the reader takes what the sockmap queued before what TCP brings, so this may be done at any time */
		s->path = MR_PATH_TCP;
		return MR_COUNT_ACCELERATE_OVER_LIMIT;
	}
	if (streaming)
		return MR_COUNT_ACCELERATE_STREAM;
	if (!mr_is_fit_reader(p->peer))
		return MR_COUNT_ACCELERATE_PEER_UNFIT;
	if (!mr_is_drained(p))
		return MR_COUNT_ACCELERATE_NOT_DRAINED;
	s->path = MR_PATH_SOCKMAP;
	mr_count_of(s, MR_COUNT_ACCELERATE_SWITCHED);
	return -1;
}

static __always_inline int mr_may_skip_tcp(struct bpf_sock *sk, struct mr_sending *s, __u32 size)
{
	struct mr_pair p;
	int reason;

	/* after shutdown() the kernel's own send refuses; the sockmap's would not */
	if (sk->state != BPF_TCP_ESTABLISHED && sk->state != BPF_TCP_CLOSE_WAIT) {
		s->path = MR_PATH_NEVER;
		return 0;
	}
	if (!mr_may_accelerate(s)) {
		s->path = MR_PATH_TCP;
		return 0;
	}
	p.own = bpf_skc_to_tcp_sock(sk);
	p.peer = mr_find_peer(s);
	if (!p.own || !p.peer) {
		mr_count_of(s, MR_COUNT_ACCELERATE_NO_PEER);
		return 0;
	}
	reason = mr_reason_for_tcp(s, &p, size);
	if (reason < 0)
		return 1;
	mr_count_of(s, reason);
	return 0;
}

SEC("sk_msg")
int mr_sk_msg(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct mr_sending *s = sk ? bpf_sk_storage_get(&mr_sendings, sk, 0, 0) : NULL;

	if (!s || s->path == MR_PATH_NEVER)
		return SK_PASS;
	/* the naive way, which is built only to show that the torture suite sees its faults */
	if (!MR_NAIVE && !mr_may_skip_tcp(sk, s, msg->size))
		return SK_PASS;
	if (bpf_msg_redirect_hash(msg, &mr_accelerated, &s->peer, BPF_F_INGRESS) != SK_PASS) {
		s->path = MR_PATH_NEVER;
		mr_count_of(s, MR_COUNT_ACCELERATE_PEER_GONE);
		/* nothing was redirected: TCP sends it and learns what became of the other end */
		return SK_PASS;
	}
	s->messages++;
	s->bytes += msg->size;
	if (mr_is_self_test(s))
		return SK_PASS;
	mr_count(MR_COUNT_ACCELERATED_MESSAGES);
	mr_count_many(MR_COUNT_ACCELERATED_BYTES, msg->size);
	return SK_PASS;
}
