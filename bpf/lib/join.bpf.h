/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_JOIN_H
#define MR_LIB_JOIN_H

#include "lib/accelerate.bpf.h"
#include "lib/identity.bpf.h"
#include "lib/mptcp.bpf.h"
#include "lib/tuple.bpf.h"

/*
 * Which sockets take part in acceleration. Being in a sockmap changes a socket, even
 * if nothing is ever redirected: a blocking recv() may return EAGAIN, FIONREAD does not
 * see TCP's bytes (Linux 6.18; docs/acceleration.md). So only those join that are
 * known not to notice: non-blocking ones of the proxy, and of applications whose
 * owner says so.
 */

/* The proxy's sockets by the uid that made them; accepted ones have that of their listener. */
static __always_inline int mr_is_of_proxy(const struct mr_pod *pod, struct tcp_sock *tp)
{
	return mr_has_uid(pod, BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_uid.val));
}

static __always_inline struct mr_end mr_end_of(struct bpf_sock_ops *ops)
{
	struct mr_address local = mr_ops_local(ops), remote = mr_ops_remote(ops);
	struct mr_end end = {
		.local_port = ops->local_port,
		.remote_port = bpf_ntohl(ops->remote_port),
	};

	mr_store(end.local, &local);
	mr_store(end.remote, &remote);
	return end;
}

static __always_inline int mr_is_inside(const struct mr_end *end)
{
	struct mr_address local = mr_load(end->local), remote = mr_load(end->remote);

	return mr_is_loopback(&remote) || mr_is_loopback(&local) || mr_is_spread(&remote) ||
	       mr_is_spread(&local);
}

/*
 * Names the namespace where both ends lie, or, for two pods of the node, none. Returns
 * 0 when the other end is elsewhere or does not take part.
 */
static __always_inline int mr_place(struct mr_end *end, const struct mr_pod *pod, __u64 cookie)
{
	__u64 *other;
	struct mr_pod *there;

	if (mr_is_inside(end)) {
		end->cookie = cookie;
		return !!(pod->flags & MR_POD_ACCELERATE_APPS);
	}
	other = bpf_map_lookup_elem(&mr_pod_addresses, end->remote);
	if (!other)
		return 0;
	if (*other == cookie) {
		end->cookie = cookie;
		return !!(pod->flags & MR_POD_ACCELERATE_APPS);
	}
	there = bpf_map_lookup_elem(&mr_pods, other);
	return there && (there->flags & (MR_POD_ACCELERATE | MR_POD_ACCELERATE_APPS));
}

/* How the sockets that this port accepts are read; accept() has not been called yet, so it is known from others. */
static __always_inline __u32 mr_reader_of(__u64 cookie, __u32 port)
{
	struct mr_reader_key key = { .cookie = cookie, .port = port };
	struct mr_reader_mode *mode = bpf_map_lookup_elem(&mr_readers, &key);

	return mode ? mode->mode : MR_READER_UNKNOWN;
}

static __always_inline void mr_set_reader(__u64 cookie, __u32 port, __u32 mode)
{
	struct mr_reader_key key = { .cookie = cookie, .port = port };
	struct mr_reader_mode value = { .mode = mode };

	bpf_map_update_elem(&mr_readers, &key, &value, BPF_ANY);
}

static __always_inline void mr_want_callbacks(struct bpf_sock_ops *ops, int flags)
{
	/* beside what programs of others have asked for */
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | flags);
}

/* Counts what becomes of a pod's socket, unless the pod is only there to try. */
static __always_inline void mr_count_in(const struct mr_pod *pod, __u32 counter)
{
	if (!(pod->flags & MR_POD_SELF_TEST))
		mr_count(counter);
}

/* Whether the application's end is known not to block. Counts why not. */
static __always_inline int mr_is_nonblocking(struct bpf_sock_ops *ops, struct tcp_sock *tp,
					     const struct mr_pod *pod, __u64 cookie, int of_proxy)
{
	__u32 mode;

	if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) {
		if (mr_file_flags(tp) & MR_O_NONBLOCK)
			return 1;
		mr_count_in(pod, MR_COUNT_ACCELERATE_BLOCKING);
		return 0;
	}
	mode = mr_reader_of(cookie, of_proxy ? 0 : ops->local_port);
	if (mode == MR_READER_NONBLOCKING)
		return 1;
	if (mode == MR_READER_BLOCKING) {
		mr_count_in(pod, MR_COUNT_ACCELERATE_BLOCKING);
		return 0;
	}
	/* this one does not join; by it the next ones are known */
	mr_count_in(pod, MR_COUNT_ACCELERATE_READER_UNKNOWN);
	mr_want_callbacks(ops, BPF_SOCK_OPS_RTT_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG);
	return 0;
}

static __always_inline int mr_enter(struct bpf_sock_ops *ops, struct bpf_sock *sk,
				    struct tcp_sock *tp, const struct mr_pod *pod,
				    const struct mr_end *end, int of_proxy)
{
	struct mr_sending *s = bpf_sk_storage_get(&mr_sendings, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	struct mr_peer self = {
		.sock = (__u64)tp,
		.socket_cookie = bpf_get_socket_cookie(ops),
		.sending = (__u64)s,
		.bundled_below = of_proxy ? MR_SIZE_BUNDLED_BELOW : 0,
	};
	struct mr_settings *settings = mr_get_settings();

	if (!s || !settings)
		return -1;
	s->peer.cookie = end->cookie;
	__builtin_memcpy(s->peer.local, end->remote, 16);
	__builtin_memcpy(s->peer.remote, end->local, 16);
	s->peer.local_port = end->remote_port;
	s->peer.remote_port = end->local_port;
	s->flags = ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ? MR_SENDING_OPENED : 0;
	if (pod->flags & MR_POD_SELF_TEST)
		s->flags |= MR_SENDING_SELF_TEST;
	/* another one than now: asked for before the first message skips TCP */
	s->epoch = settings->policy_epoch - 1;
	if (bpf_map_update_elem(&mr_peers, end, &self, BPF_ANY))
		return -1;
	if (!bpf_sock_hash_update(ops, &mr_accelerated, (void *)end, BPF_ANY))
		return 0;
	bpf_map_delete_elem(&mr_peers, end);
	return -1;
}

/* A connection is established, at either end. */
static __always_inline void mr_join(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_netns_cookie(ops);
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	struct bpf_sock *sk = ops->sk;
	struct tcp_sock *tp;
	struct mr_end end;
	int of_proxy;

	if (!pod || !sk || !(pod->flags & (MR_POD_ACCELERATE | MR_POD_ACCELERATE_APPS)))
		return;
	if (!mr_accelerates(pod->flags & MR_POD_SELF_TEST))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || mr_is_below(sk))
		return;
	of_proxy = mr_is_of_proxy(pod, tp);
	if (!of_proxy && !(pod->flags & MR_POD_ACCELERATE_APPS))
		return;
	end = mr_end_of(ops);
	if (!mr_place(&end, pod, cookie)) {
		mr_count_in(pod, MR_COUNT_ACCELERATE_NOT_LOCAL);
		return;
	}
	if (!mr_is_nonblocking(ops, tp, pod, cookie, of_proxy))
		return;
	if (mr_enter(ops, sk, tp, pod, &end, of_proxy)) {
		mr_count(MR_COUNT_ERROR_ACCELERATE_FULL);
		return;
	}
	mr_want_callbacks(ops, BPF_SOCK_OPS_STATE_CB_FLAG);
	mr_count_in(pod, MR_COUNT_ACCELERATED_SOCKETS);
}

/* listen(): what is known of a port was of the program that had it before. The proxy is known by its listener. */
static __always_inline void mr_meet_listener(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_netns_cookie(ops);
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	struct bpf_sock *sk = ops->sk;
	struct tcp_sock *tp = pod && sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	__u32 mode = MR_READER_BLOCKING;

	if (!tp)
		return;
	if (!mr_is_of_proxy(pod, tp)) {
		mr_set_reader(cookie, ops->local_port, MR_READER_UNKNOWN);
		return;
	}
	if (mr_file_flags(tp) & MR_O_NONBLOCK)
		mode = MR_READER_NONBLOCKING;
	mr_set_reader(cookie, 0, mode);
}

/* An accepted socket has its file now: it tells how those of its listener are read. One that blocks decides for all. */
static __always_inline void mr_learn_reader(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	__u64 cookie = bpf_get_netns_cookie(ops);
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	__u32 flags, port = ops->local_port;

	if (!tp || !pod || !BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_socket, file))
		return;
	flags = mr_file_flags(tp);
	/* a proxy that listened before the agent came */
	if (mr_is_of_proxy(pod, tp))
		port = 0;
	if (!(flags & MR_O_NONBLOCK))
		mr_set_reader(cookie, port, MR_READER_BLOCKING);
	else if (mr_reader_of(cookie, port) == MR_READER_UNKNOWN)
		mr_set_reader(cookie, port, MR_READER_NONBLOCKING);
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_RTT_CB_FLAG);
}

/* A member's state changes: its row goes with it. */
static __always_inline void mr_leave(struct bpf_sock_ops *ops, struct bpf_sock *sk,
				     const struct mr_sending *s)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct mr_end end = mr_end_of(ops);

	end.cookie = s->peer.cookie;
	if (ops->args[1] == BPF_TCP_CLOSE) {
		bpf_map_delete_elem(&mr_peers, &end);
		mr_count_of(s, MR_COUNT_ACCELERATED_LEFT);
		return;
	}
	/*
	 * shutdown() of a socket that was made blocking after it joined: its recv() would
	 * return EAGAIN when the other end confirms. It holds nothing of the sockmap's, so
	 * it can leave without a loss.
	 */
	if (ops->args[1] == BPF_TCP_FIN_WAIT1 && tp && !(mr_file_flags(tp) & MR_O_NONBLOCK) &&
	    !mr_unread(tp))
		bpf_map_delete_elem(&mr_accelerated, &end);
}

#endif
