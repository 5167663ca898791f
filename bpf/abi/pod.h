/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_POD_H
#define MR_ABI_POD_H

#include <linux/types.h>

/*
 * Addresses are 16 bytes everywhere; an IPv4 address is the IPv4-mapped one
 * (::ffff:a.b.c.d), so that AF_INET, AF_INET6 and v4-mapped sockets share one
 * code path.
 */

enum mr_pod_flags {
	/* connect() of the applications is rewritten to the proxy */
	MR_POD_OUTBOUND = 1 << 0,
	/* new connections to the pod are steered to the proxy by sk_lookup */
	MR_POD_INBOUND_LOOKUP = 1 << 1,
	/* bind() of the applications is rewritten to loopback */
	MR_POD_INBOUND_BIND = 1 << 2,
	/* includeOutboundIPRanges is "*" */
	MR_POD_OUTBOUND_ALL = 1 << 3,
	/* includeInboundPorts is "*" */
	MR_POD_INBOUND_ALL = 1 << 4,
	/* IPv6 is redirected too; without it IPv6 is left alone both ways */
	MR_POD_IPV6 = 1 << 5,
	/* an include range lies in loopback: applications' own loopback is captured */
	MR_POD_LOOPBACK_INCLUDED = 1 << 6,
	/* service addresses of flows that no proxy sees are translated */
	MR_POD_TRANSLATE = 1 << 7,
	/* fd6d:696c:6c72:6163::/64 is local in the pod: IPv6 destinations can be spread */
	MR_POD_SPREAD6 = 1 << 8,
	/* DNS goes to the proxy's resolver: to the servers named in the ranges, or all */
	MR_POD_DNS = 1 << 9,
	MR_POD_DNS_ALL = 1 << 10,
	/* owner groups are consulted; the table names those that are captured, or those that are not */
	MR_POD_GROUPS = 1 << 11,
	MR_POD_GROUPS_ONLY = 1 << 12,
	/* interceptionMode TPROXY: as Istio's rules do there, the tunnel port is captured too */
	MR_POD_TPROXY = 1 << 13,
	/* the proxy's sockets towards other pods of the node are accelerated */
	MR_POD_ACCELERATE = 1 << 14,
	/* and those of its applications, whose owner says that they read by read() and recv() alone */
	MR_POD_ACCELERATE_APPS = 1 << 15,
	/* connections between two such pods pass by the proxies of both */
	MR_POD_DIRECT = 1 << 16,
	/* made by the agent to try acceleration; what its sockets do is not counted */
	MR_POD_SELF_TEST = 1 << 17,
};

/* One pod, found by its network namespace cookie. Ids are kernel ids (initial user namespace). */
struct mr_pod {
	__u32 flags;
	__u16 uid_count;
	__u16 gid_count;
	__u32 uids[8];
	__u32 gids[8];
	__u16 outbound_port;
	__u16 inbound_port;
	__u16 tunnel_port;
	__u16 dns_port;
	/* source of redirected connections; all zero: none of this family */
	__u8 addr4[16];
	__u8 addr6[16];
	/* indices of interfaces that are left alone both ways; 0: none */
	__u32 excluded_interfaces[8];
	/* indices of interfaces whose arriving connections count as outbound; 0: none */
	__u32 rerouted_interfaces[8];
};
_Static_assert(sizeof(struct mr_pod) == 176, "struct mr_pod is ABI");

enum mr_range_flags {
	/* an address of the pod itself: the route would go through lo */
	MR_RANGE_LOCAL = 1 << 0,
	/* the loopback range that is never redirected (127.0.0.1/32, ::1) */
	MR_RANGE_LOOPBACK = 1 << 1,
	MR_RANGE_INCLUDE = 1 << 2,
	MR_RANGE_EXCLUDE = 1 << 3,
	/* a name server of the pod */
	MR_RANGE_DNS_SERVER = 1 << 4,
	/* the route leaves by an interface that is left alone */
	MR_RANGE_EXCLUDED_ROUTE = 1 << 5,
};

/*
 * Longest prefix match. The value holds the flags of *every* configured range
 * that covers the prefix (user space computes the union), because an excluded
 * range beats an included one whatever their lengths.
 * prefixlen counts from family: 32 + 64 + (IPv4: 96 + n, IPv6: n).
 */
struct mr_range_key {
	__u32 prefixlen;
	__u32 family;
	__u64 cookie;
	__u8 addr[16];
};
_Static_assert(sizeof(struct mr_range_key) == 32, "struct mr_range_key is ABI");

struct mr_range {
	__u32 flags;
	/* the address that the route to this range speaks from; all zero: the pod's primary one */
	__u8 source[16];
};
_Static_assert(sizeof(struct mr_range) == 20, "struct mr_range is ABI");

enum mr_port_flags {
	MR_PORT_OUTBOUND_EXCLUDE = 1 << 0,
	MR_PORT_OUTBOUND_INCLUDE = 1 << 1,
	MR_PORT_INBOUND_INCLUDE = 1 << 2,
	MR_PORT_INBOUND_EXCLUDE = 1 << 3,
};

struct mr_port_key {
	__u64 cookie;
	__u32 port;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_port_key) == 16, "struct mr_port_key is ABI");

struct mr_port {
	__u32 flags;
};

/* A group whose sockets are captured, or are not (MR_POD_GROUPS_ONLY). Kernel ids. */
struct mr_group_key {
	__u64 cookie;
	__u32 gid;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_group_key) == 16, "struct mr_group_key is ABI");

struct mr_group {
	__u32 listed;
};

#endif
