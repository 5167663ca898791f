/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_POLICY_PACKET_H
#define MR_LIB_POLICY_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>

#include "abi/flow.h"
#include "lib/address.bpf.h"

/* What no header of linux/ has for programs, by IANA's numbers. */
enum mr_protocol_number {
	MR_NEXT_HOP_BY_HOP = 0,
	MR_NEXT_ICMP = 1,
	MR_NEXT_TCP = 6,
	MR_NEXT_UDP = 17,
	MR_NEXT_ROUTING = 43,
	MR_NEXT_FRAGMENT = 44,
	MR_NEXT_AUTHENTICATION = 51,
	MR_NEXT_ICMP6 = 58,
	MR_NEXT_DESTINATION = 60,
	MR_NEXT_SCTP = 132,
	MR_NEXT_MOBILITY = 135,
	MR_NEXT_HOST_IDENTITY = 139,
	MR_NEXT_SHIM6 = 140,
};

/*
 * A function that the verifier walks once, not again for every state it is called in:
 * it sees its arguments as anything, pointers as perhaps NULL (Linux 5.13).
 */
#define MR_ONCE __attribute__((noinline))

#define MR_ETHERTYPE_VLAN 0x8100
#define MR_ETHERTYPE_SERVICE_VLAN 0x88a8
#define MR_VLAN_TAGS 2
/* more headers than this in front of the payload are an attack or a mistake */
#define MR_EXTENSION_HEADERS 8
#define MR_IPV4_OPTION_BYTES 40
#define MR_OPTION_LOOSE_ROUTE 131
#define MR_OPTION_STRICT_ROUTE 137

enum mr_fragmentation {
	MR_WHOLE = 0,
	MR_FIRST_FRAGMENT = 1,
	MR_LATER_FRAGMENT = 2,
	/* a whole packet that has the header of a fragment */
	MR_ONLY_FRAGMENT = 3,
};

/* A packet as policy sees it, where it was seen, and how far it was read. */
struct mr_seen {
	struct mr_address src;
	struct mr_address dst;
	__u64 cookie;
	/* where the header of its protocol begins, and where the IP packet ends */
	__u32 l4;
	__u32 end;
	__u32 fragment_id;
	/* by which its connection is known; ICMP: see mr_set_icmp() */
	__u16 sport;
	__u16 dport;
	/* type << 8 | code */
	__u16 icmp;
	/* 4, 6; 0: neither */
	__u8 family;
	__u8 protocol;
	__u8 tcp_flags;
	__u8 hop_limit;
	/* enum mr_fragmentation */
	__u8 fragment;
	/* enum mr_direction */
	__u8 direction;
};

/*
 * The Ethernet type behind tags of VLANs, and where its header begins. Tags that the
 * kernel keeps outside of the packet (skb->vlan_tci) are no longer in it.
 */
static __always_inline int mr_read_link(struct __sk_buff *skb, __u32 *at, __u16 *ethertype)
{
	__be16 type;

	*at = ETH_HLEN;
	if (bpf_skb_load_bytes(skb, offsetof(struct ethhdr, h_proto), &type, sizeof(type)))
		return -MR_DROP_INVALID_PACKET;
	for (int i = 0; i < MR_VLAN_TAGS; i++) {
		if (type != bpf_htons(MR_ETHERTYPE_VLAN) &&
		    type != bpf_htons(MR_ETHERTYPE_SERVICE_VLAN))
			break;
		if (bpf_skb_load_bytes(skb, *at + 2, &type, sizeof(type)))
			return -MR_DROP_INVALID_PACKET;
		*at += 4;
	}
	*ethertype = bpf_ntohs(type);
	return 0;
}

/*
 * Where the IP packet that begins at `at` ends: what follows it on the wire (padding)
 * is thrown away by whoever receives it. A length of 0 stands for more than 65535
 * bytes, and only in packets that the kernel will cut up itself (BIG TCP).
 */
static __always_inline int mr_set_end(struct __sk_buff *skb, struct mr_seen *p, __u32 at,
				      __u32 length, __u32 least)
{
	__u32 whole = MR_FIELD(skb->len);

	if (!length && MR_FIELD(skb->gso_segs)) {
		p->end = whole;
		return 0;
	}
	p->end = at + length;
	return length < least || p->end > whole ? -MR_DROP_INVALID_PACKET : 0;
}

/*
 * Options that name another destination than the header does would be judged by the
 * wrong one. Loose and strict source routes are dropped by most routers as well.
 */
MR_ONCE int mr_has_source_route(struct __sk_buff *skb, __u32 at, __u32 end)
{
	for (int i = 0; i < MR_IPV4_OPTION_BYTES; i++) {
		__u8 option[2] = {};

		if (at >= end || bpf_skb_load_bytes(skb, at, option, 1) || option[0] == 0)
			return 0;
		if (option[0] == MR_OPTION_LOOSE_ROUTE || option[0] == MR_OPTION_STRICT_ROUTE)
			return 1;
		if (option[0] == 1) {
			at++;
			continue;
		}
		if (bpf_skb_load_bytes(skb, at, option, 2) || option[1] < 2)
			return 0;
		at += option[1];
	}
	return 0;
}

static __always_inline int mr_read_ipv4(struct __sk_buff *skb, struct mr_seen *p, __u32 at)
{
	struct iphdr ip;
	__u32 header;
	__u16 fragment;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return -MR_DROP_INVALID_PACKET;
	header = ip.ihl * 4;
	p->family = 4;
	p->src = mr_mapped(ip.saddr);
	p->dst = mr_mapped(ip.daddr);
	p->protocol = ip.protocol;
	p->hop_limit = ip.ttl;
	p->l4 = at + header;
	p->fragment_id = bpf_ntohs(ip.id);
	fragment = bpf_ntohs(ip.frag_off);
	if (fragment & 0x1fff)
		p->fragment = MR_LATER_FRAGMENT;
	else if (fragment & 0x2000)
		p->fragment = MR_FIRST_FRAGMENT;
	/* RFC 1858: would lie over the flags of the first one */
	if ((fragment & 0x1fff) == 1 && ip.protocol == MR_NEXT_TCP)
		return -MR_DROP_INVALID_PACKET;
	if (mr_set_end(skb, p, at, bpf_ntohs(ip.tot_len), header))
		return -MR_DROP_INVALID_PACKET;
	if (header > sizeof(ip) && mr_has_source_route(skb, at + sizeof(ip), p->l4))
		return -MR_DROP_INVALID_PACKET;
	return 0;
}

static __always_inline int mr_read_ipv6(struct __sk_buff *skb, struct mr_seen *p, __u32 at)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.version != 6)
		return -MR_DROP_INVALID_PACKET;
	p->family = 6;
	__builtin_memcpy(&p->src, &ip.saddr, 16);
	__builtin_memcpy(&p->dst, &ip.daddr, 16);
	p->protocol = ip.nexthdr;
	p->hop_limit = ip.hop_limit;
	p->l4 = at + sizeof(ip);
	/* on the wire they are nobody's (RFC 4942), and would be taken for IPv4's */
	if (mr_is_ipv4(&p->src) || mr_is_ipv4(&p->dst))
		return -MR_DROP_INVALID_PACKET;
	return mr_set_end(skb, p, p->l4, bpf_ntohs(ip.payload_len), 0);
}

/* Every extension header has at least these 8 bytes; what they mean is the header's own. */
struct mr_extension {
	__u8 next;
	__u8 length;
	union {
		struct {
			__u8 type;
			__u8 segments_left;
		};
		__be16 fragment;
	};
	__be32 id;
};

/*
 * Walks to the header of the packet's protocol, or to where a later fragment has none.
 * Routing headers that are not yet used up name another destination: closed.
 */
MR_ONCE int mr_skip_extensions(struct __sk_buff *skb, struct mr_seen *p)
{
	if (!p)
		return -MR_DROP_INVALID_PACKET;
	for (int i = 0; i < MR_EXTENSION_HEADERS; i++) {
		struct mr_extension header;
		__u8 kind = p->protocol;

		if (kind == MR_NEXT_MOBILITY || kind == MR_NEXT_HOST_IDENTITY ||
		    kind == MR_NEXT_SHIM6)
			return -MR_DROP_INVALID_EXTENSION_HEADER;
		if (kind != MR_NEXT_HOP_BY_HOP && kind != MR_NEXT_ROUTING &&
		    kind != MR_NEXT_FRAGMENT && kind != MR_NEXT_AUTHENTICATION &&
		    kind != MR_NEXT_DESTINATION)
			return 0;
		if (p->l4 + sizeof(header) > p->end ||
		    bpf_skb_load_bytes(skb, p->l4, &header, sizeof(header)))
			return -MR_DROP_INVALID_PACKET;
		p->protocol = header.next;
		if (kind == MR_NEXT_FRAGMENT) {
			__u16 fragment = bpf_ntohs(header.fragment);

			if (p->fragment)
				return -MR_DROP_INVALID_EXTENSION_HEADER;
			p->fragment_id = header.id;
			p->l4 += 8;
			if (fragment >> 3) {
				p->fragment = MR_LATER_FRAGMENT;
				/* RFC 1858: as in IPv4 */
				return fragment >> 3 == 1 && header.next == MR_NEXT_TCP
					       ? -MR_DROP_INVALID_PACKET
					       : 0;
			}
			p->fragment = fragment & 1 ? MR_FIRST_FRAGMENT : MR_ONLY_FRAGMENT;
			continue;
		}
		if (kind == MR_NEXT_HOP_BY_HOP && i > 0)
			return -MR_DROP_INVALID_EXTENSION_HEADER;
		if (kind == MR_NEXT_ROUTING && header.segments_left)
			return -MR_DROP_INVALID_EXTENSION_HEADER;
		p->l4 += kind == MR_NEXT_AUTHENTICATION ? (header.length + 2) * 4
							: (header.length + 1) * 8;
	}
	return -MR_DROP_INVALID_EXTENSION_HEADER;
}

#endif
