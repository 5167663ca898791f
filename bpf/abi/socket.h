/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_SOCKET_H
#define MR_ABI_SOCKET_H

#include <linux/types.h>

/* What is kept with a socket (sk_storage). */
enum mr_socket_flags {
	/* uid and gid are those of the task that created the socket; TCP sockets are asked themselves */
	MR_SOCKET_STAMPED = 1 << 0,
	/* connect() was rewritten to the proxy: origin is what the application dialled */
	MR_SOCKET_REDIRECTED = 1 << 1,
	/* connect() was translated from a service address: origin is that address */
	MR_SOCKET_TRANSLATED = 1 << 2,
	/* the proxy's end of a redirected connection: origin was handed over */
	MR_SOCKET_ACCEPTED = 1 << 3,
	/* connect() joins two pods without their proxies */
	MR_SOCKET_DIRECT = 1 << 4,
};

struct mr_socket {
	__u32 flags;
	__u32 uid;
	__u32 gid;
	/* host order, as every port in this ABI that has no __be type */
	__u16 origin_port;
	__u16 pad;
	__u8 origin[16];
};
_Static_assert(sizeof(struct mr_socket) == 32, "struct mr_socket is ABI");

/* A connection as its client sees it. */
struct mr_tuple {
	__u64 cookie;
	__u8 src[16];
	__u8 dst[16];
	__u16 sport;
	__u16 dport;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_tuple) == 48, "struct mr_tuple is ABI");

/* The original destination on its way from the client's socket to the accepted one. */
struct mr_origin {
	__u8 addr[16];
	__u16 port;
	__u16 pad;
	__u32 pad2;
};
_Static_assert(sizeof(struct mr_origin) == 24, "struct mr_origin is ABI");

/* pod, address of the spread -> the one destination that this address stands for */
struct mr_destination_key {
	__u64 cookie;
	__u8 addr[16];
};
_Static_assert(sizeof(struct mr_destination_key) == 24, "struct mr_destination_key is ABI");

struct mr_destination {
	__u8 addr[16];
	__u16 port;
	__u16 pad;
	__u32 pad2;
};
_Static_assert(sizeof(struct mr_destination) == 24, "struct mr_destination is ABI");

/*
 * A listening socket of the proxy. Envoy opens one per worker (SO_REUSEPORT); the
 * kernel spreads over the group of whichever is found, the slots only make sure
 * that one is found while any is open.
 */
struct mr_listener_key {
	__u64 cookie;
	__u16 port;
	__u8 family;
	__u8 slot;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_listener_key) == 16, "struct mr_listener_key is ABI");

/* Where a proxy's listener is bound, if it is not to the wildcard address. */
struct mr_listener_addr {
	__u8 addr[16];
};

#endif
