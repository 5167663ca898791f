/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_ACCELERATION_H
#define MR_ABI_ACCELERATION_H

#include <linux/types.h>

/*
 * One end of a connection, as a socket sees itself. cookie is that of the network
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
	/* enum mr_peer_flags */
	__u32 flags;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_peer) == 24, "struct mr_peer is ABI");

enum mr_peer_flags {
	/* the proxy's socket: known to read by read() and recv() alone */
	MR_PEER_PROXY = 1 << 0,
};

/* Which way the bytes of a direction go. */
enum mr_path {
	MR_PATH_UNDECIDED = 0,
	/* by TCP until everything sent has arrived and was read */
	MR_PATH_TCP = 1,
	MR_PATH_SOCKMAP = 2,
	/* by TCP, for good */
	MR_PATH_NEVER = 3,
};

/* What is kept with a socket that joined (sk_storage): its sending direction. */
struct mr_direction_state {
	__u64 peer_sock;
	__u64 peer_cookie;
	__u32 path;
	/* the policy epoch at which the right to speak was last asked for */
	__u32 epoch;
	__u64 messages;
	__u64 bytes;
};
_Static_assert(sizeof(struct mr_direction_state) == 40, "struct mr_direction_state is ABI");

/* How the sockets that one listener accepts behave, learned from those that were accepted. */
enum mr_reader {
	MR_READER_UNKNOWN = 0,
	MR_READER_NONBLOCKING = 1,
	MR_READER_BLOCKING = 2,
};

struct mr_reader_key {
	__u64 cookie;
	__u16 port;
	__u16 pad;
	__u32 pad2;
};

struct mr_reader_mode {
	/* enum mr_reader */
	__u32 mode;
};

#endif
