/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_PEER_H
#define MR_LIB_PEER_H

#include <bpf/bpf_core_read.h>

#include "lib/count.bpf.h"
#include "lib/kernel.bpf.h"
#include "lib/maps.bpf.h"

/* O_NONBLOCK of include/uapi/asm-generic/fcntl.h: x86 and arm64 */
#define MR_O_NONBLOCK 04000

/* Both ends of one direction, while they are looked into. All reads may be of memory that changes meanwhile. */
struct mr_pair {
	struct tcp_sock *own;
	struct tcp_sock *peer;
};

/* Flags of the open file of a TCP socket; 0 for one that was not accepted yet or has been closed. */
static __always_inline __u32 mr_file_flags(struct tcp_sock *tp)
{
	return BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_socket, file, f_flags);
}

/* Bytes that the socket holds and its application has not read: of TCP with overhead, of the sockmap (Linux 6.13) without. */
static __always_inline __s32 mr_unread(struct tcp_sock *tp)
{
	return BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_backlog.rmem_alloc.counter);
}

/* Whether the memory still is the socket that once joined. */
static __always_inline int mr_is_still(struct tcp_sock *tp, __u64 socket_cookie)
{
	return (__u64)BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter) ==
	       socket_cookie;
}

/*
 * Nothing of this direction is in flight or unread. What the peer expects next is
 * what we write next: with the peer's initial sequence number, which nobody can
 * guess, that also proves that these two are ends of one connection and not of two
 * that happen to have the same addresses and ports.
 */
static __always_inline int mr_is_drained(const struct mr_pair *p)
{
	struct tcp_sock *own = p->own, *peer = p->peer;
	__u32 written = BPF_CORE_READ(own, write_seq);

	return written == BPF_CORE_READ(own, snd_una) && written == BPF_CORE_READ(peer, rcv_nxt) &&
	       !mr_unread(peer);
}

/*
 * A reader that blocks, or waits for a number of bytes, does not see the sockmap's
 * as it sees TCP's (docs/acceleration.md). One that has no file yet was not accepted.
 */
static __always_inline int mr_is_fit_reader(struct tcp_sock *tp)
{
	return (mr_file_flags(tp) & MR_O_NONBLOCK) &&
	       BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_rcvlowat) <= 1;
}

/*
 * Whether this is one of many small messages that nobody answers: a stream. Each would
 * wake the reader, for whom a wake-up is dear (a proxy reads, writes and sleeps again),
 * while TCP bundles what is written meanwhile. What the other end said by sockmap
 * stands with its socket, which is alive: the caller has seen its cookie.
 */
static __always_inline int mr_is_streaming(struct mr_sending *s, const struct mr_pair *p,
					   __u32 size)
{
	struct mr_sending *peer = (struct mr_sending *)s->peer_sending;
	struct tcp_sock *own = p->own;
	__u64 messages = 0, heard;

	if (size >= s->bundled_below) {
		s->unanswered = 0;
		return 0;
	}
	bpf_probe_read_kernel(&messages, sizeof(messages), &peer->messages);
	heard = messages + BPF_CORE_READ(own, rcv_nxt);
	if (heard != s->heard) {
		s->heard = heard;
		s->unanswered = 0;
		return 0;
	}
	if (s->unanswered >= MR_SIZE_UNANSWERED)
		return 1;
	s->unanswered++;
	return 0;
}

/* Looks for the other end. Returns it, or NULL when it has not joined (yet). */
static __always_inline struct tcp_sock *mr_find_peer(struct mr_sending *s)
{
	struct mr_peer *found;

	if (s->peer_sock)
		return (struct tcp_sock *)s->peer_sock;
	found = bpf_map_lookup_elem(&mr_peers, &s->peer);
	if (!found) {
		if (++s->misses >= MR_SIZE_PEER_LOOKUPS)
			s->path = MR_PATH_NEVER;
		return NULL;
	}
	s->peer_sock = found->sock;
	s->peer_cookie = found->socket_cookie;
	s->peer_sending = found->sending;
	s->bundled_below = found->bundled_below;
	return (struct tcp_sock *)s->peer_sock;
}

#endif
