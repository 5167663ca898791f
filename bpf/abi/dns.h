/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_DNS_H
#define MR_ABI_DNS_H

#include <linux/types.h>

/*
 * A query over UDP goes to an address of the spread that stands for the server it
 * was sent to (bpf/lib/address.bpf.h); on lo the address becomes the resolver's,
 * and back. So one socket can ask two servers and tell their answers apart.
 */

/* pod, address of the spread -> the server it stands for */
struct mr_dns_server_key {
	__u64 cookie;
	__u8 addr[16];
};
_Static_assert(sizeof(struct mr_dns_server_key) == 24, "struct mr_dns_server_key is ABI");

struct mr_dns_server {
	__u8 addr[16];
};

/* pod, client, address of the spread -> the port that the resolver sees */
struct mr_dns_query_key {
	__u64 cookie;
	__u8 client[16];
	__u8 spread[16];
	__u16 port;
	__u16 pad;
	__u32 pad2;
};
_Static_assert(sizeof(struct mr_dns_query_key) == 48, "struct mr_dns_query_key is ABI");

struct mr_dns_query {
	__u16 seen_port;
	__u16 pad;
};

/* pod, client, port that the resolver sees -> who asked what */
struct mr_dns_reply_key {
	__u64 cookie;
	__u8 client[16];
	__u16 seen_port;
	__u16 pad;
	__u32 pad2;
};
_Static_assert(sizeof(struct mr_dns_reply_key) == 32, "struct mr_dns_reply_key is ABI");

struct mr_dns_reply {
	__u8 spread[16];
	__u16 port;
	__u16 pad;
	/* when the last query went this way, in seconds (of 2^30 ns) */
	__u32 asked;
};
_Static_assert(sizeof(struct mr_dns_reply) == 24, "struct mr_dns_reply is ABI");

#endif
