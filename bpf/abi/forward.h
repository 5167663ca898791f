/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_FORWARD_H
#define MR_ABI_FORWARD_H

#include <linux/types.h>

/*
 * Connections of others that are only forwarded through the pod (the guests of a
 * virtual machine, containers in the pod) reach the proxy by translation of their
 * packets: destination to the interface's own address and the proxy's port, and back.
 */

/* pod, interface -> its addresses; all zero: none of this family */
struct mr_interface_key {
	__u64 cookie;
	__u32 index;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_interface_key) == 16, "struct mr_interface_key is ABI");

struct mr_interface {
	__u8 addr4[16];
	__u8 addr6[16];
};
_Static_assert(sizeof(struct mr_interface) == 32, "struct mr_interface is ABI");

/* a connection as the client sends it (struct mr_tuple) -> how the proxy sees it */
struct mr_forward {
	__u16 seen_port;
	__u16 proxy_port;
};

/* pod, client, its port as the proxy sees it, the proxy's port -> the connection as the client sent it */
struct mr_forward_back_key {
	__u64 cookie;
	__u8 client[16];
	__u16 seen_port;
	__u16 proxy_port;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_forward_back_key) == 32, "struct mr_forward_back_key is ABI");

struct mr_forward_back {
	__u8 dst[16];
	__u16 dport;
	__u16 sport;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_forward_back) == 24, "struct mr_forward_back is ABI");

#endif
