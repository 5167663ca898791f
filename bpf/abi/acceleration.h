/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_ACCELERATION_H
#define MR_ABI_ACCELERATION_H

#include <linux/types.h>

/*
 * One end of a connection, as its socket sees itself. cookie is that of the network
 * namespace where both ends share one (loopback, a pod's own address), else 0: two
 * pods of the node have different addresses.
 */
struct mr_end {
	__u64 cookie;
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_end) == 48, "struct mr_end is ABI");

/*
 * Where an end's struct sock lies. The memory of TCP sockets is only ever reused for
 * TCP sockets, and a socket cookie never, so reading it tells whether it is still the
 * same.
 */
struct mr_peer {
	__u64 sock;
	__u64 socket_cookie;
	/* its struct mr_sending, which lives as long as the socket */
	__u64 sending;
	/* bytes; a stream of smaller messages is better bundled by TCP than read one by one. 0: none is */
	__u32 bundled_below;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_peer) == 32, "struct mr_peer is ABI");

/* Which way the bytes of a direction go. */
enum mr_path {
	/* by TCP, until everything that was sent has arrived and was read */
	MR_PATH_TCP = 0,
	/* from the sender's call into the receiver's queue */
	MR_PATH_SOCKMAP = 1,
	/* by TCP, for good */
	MR_PATH_NEVER = 2,
};

enum mr_sending_flags {
	/* this end opened the connection: policy is asked as the client's */
	MR_SENDING_OPENED = 1 << 0,
	/* policy said no at the epoch below */
	MR_SENDING_DENIED = 1 << 1,
	/* of a pod of the self-test */
	MR_SENDING_SELF_TEST = 1 << 2,
};

/* What is kept with a socket that joined (sk_storage): its sending direction. */
struct mr_sending {
	/* the other end, as that socket sees itself */
	struct mr_end peer;
	/* 0 until it was found */
	__u64 peer_sock;
	__u64 peer_cookie;
	__u64 peer_sending;
	/* what the other end had said when this one spoke last: bytes by TCP and messages by sockmap, added up */
	__u64 heard;
	/* of the other end, as in struct mr_peer */
	__u32 bundled_below;
	/* small messages in a row without an answer, up to MR_SIZE_UNANSWERED */
	__u32 unanswered;
	/* enum mr_path */
	__u32 path;
	/* lookups of the other end that found nothing */
	__u32 misses;
	/* the policy epoch at which the right to speak was last asked for */
	__u32 epoch;
	/* enum mr_sending_flags */
	__u32 flags;
	/* what went by sockmap */
	__u64 messages;
	__u64 bytes;
};
_Static_assert(sizeof(struct mr_sending) == 120, "struct mr_sending is ABI");

/* How the sockets that a listener accepts are read, learned from those that were accepted. */
enum mr_reader {
	MR_READER_UNKNOWN = 0,
	MR_READER_NONBLOCKING = 1,
	MR_READER_BLOCKING = 2,
};

/* port 0 stands for all listeners of the proxy. */
struct mr_reader_key {
	__u64 cookie;
	__u32 port;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_reader_key) == 16, "struct mr_reader_key is ABI");

struct mr_reader_mode {
	/* enum mr_reader */
	__u32 mode;
};

/* An address of a pod of this node. */
struct mr_pod_address {
	__u8 addr[16];
};

#endif
