/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_POLICY_PORTS_H
#define MR_LIB_POLICY_PORTS_H

#include "lib/maps.bpf.h"
#include "lib/policy-packet.bpf.h"

#define MR_TCP_HEADER 20
#define MR_UDP_HEADER 8
#define MR_SCTP_HEADER 12
#define MR_ICMP_HEADER 8

enum mr_icmp_type {
	MR_ICMP_UNREACHABLE = 3,
	MR_ICMP_QUENCH = 4,
	MR_ICMP_ECHO = 8,
	MR_ICMP_EXCEEDED = 11,
	MR_ICMP_PROBLEM = 12,
	MR_ICMP_TIMESTAMP = 13,
	MR_ICMP_INFORMATION = 15,
	MR_ICMP_MASK = 17,
	MR_ICMP6_UNREACHABLE = 1,
	MR_ICMP6_PROBLEM = 4,
	MR_ICMP6_ECHO = 128,
	MR_ICMP6_LISTENER_QUERY = 130,
	MR_ICMP6_LISTENER_DONE = 132,
	MR_ICMP6_ROUTER_SOLICITATION = 133,
	MR_ICMP6_ROUTER_ADVERTISEMENT = 134,
	MR_ICMP6_NEIGHBOUR_ADVERTISEMENT = 136,
	MR_ICMP6_LISTENER_REPORT2 = 143,
};

static __always_inline int mr_is_icmp(const struct mr_seen *p)
{
	return p->protocol == (p->family == 4 ? MR_NEXT_ICMP : MR_NEXT_ICMP6);
}

/* ICMP messages about another packet, which they carry. Redirects are none: they change routes. */
static __always_inline int mr_is_icmp_error(const struct mr_seen *p)
{
	__u8 type = p->icmp >> 8;

	if (!mr_is_icmp(p) || p->fragment == MR_LATER_FRAGMENT)
		return 0;
	if (p->family == 6)
		return type >= MR_ICMP6_UNREACHABLE && type <= MR_ICMP6_PROBLEM;
	return type == MR_ICMP_UNREACHABLE || type == MR_ICMP_QUENCH || type == MR_ICMP_EXCEEDED ||
	       type == MR_ICMP_PROBLEM;
}

/*
 * Neighbours and group members speak to this link alone: nobody behind a router can
 * send with these hop limits (RFC 4861, RFC 2710). Never in fragments (RFC 6980).
 */
static __always_inline int mr_is_link_talk(const struct mr_seen *p)
{
	__u8 type = p->icmp >> 8;

	if (p->family != 6 || p->protocol != MR_NEXT_ICMP6 || p->fragment)
		return 0;
	if (type >= MR_ICMP6_ROUTER_SOLICITATION && type <= MR_ICMP6_NEIGHBOUR_ADVERTISEMENT)
		return p->hop_limit == 255 && (p->icmp & 0xff) == 0;
	if ((type >= MR_ICMP6_LISTENER_QUERY && type <= MR_ICMP6_LISTENER_DONE) ||
	    type == MR_ICMP6_LISTENER_REPORT2)
		return p->hop_limit == 1;
	return 0;
}

/* The request that a type of ICMP message answers; 0: it is no answer. No request has type 0. */
static __always_inline __u8 mr_icmp_request_of(__u8 family, __u8 type)
{
	if (family == 6)
		return type == MR_ICMP6_ECHO + 1 ? MR_ICMP6_ECHO : 0;
	if (type == 0)
		return MR_ICMP_ECHO;
	if (type == MR_ICMP_TIMESTAMP + 1 || type == MR_ICMP_INFORMATION + 1 ||
	    type == MR_ICMP_MASK + 1)
		return type - 1;
	return 0;
}

static __always_inline int mr_is_icmp_request(__u8 family, __u8 type)
{
	if (family == 6)
		return type == MR_ICMP6_ECHO;
	return type == MR_ICMP_ECHO || type == MR_ICMP_TIMESTAMP || type == MR_ICMP_INFORMATION ||
	       type == MR_ICMP_MASK;
}

/*
 * Messages with an id are known by it and by their type in the high byte, which is how
 * policy knows them too. A request and its answer are one connection; other messages
 * are answered by nothing.
 */
static __always_inline void mr_set_icmp(struct mr_seen *p, __u8 type, __u8 code, __u16 id)
{
	int has_id = mr_icmp_request_of(p->family, type) || mr_is_icmp_request(p->family, type);

	p->icmp = type << 8 | code;
	p->sport = has_id ? id : 0;
	p->dport = type << 8;
}

/* The port, for policy, of whoever opened the connection that a packet answers; ICMP: 0 where it is no answer. */
static __always_inline __u16 mr_asked_port(const struct mr_seen *p)
{
	return mr_is_icmp(p) ? mr_icmp_request_of(p->family, p->icmp >> 8) << 8 : p->sport;
}

/* Reads ICMP, or the ports of whatever has them. `least`: bytes of each header that must be there. */
static __always_inline int mr_read_icmp(struct __sk_buff *skb, struct mr_seen *p)
{
	__u8 header[MR_ICMP_HEADER];

	if (p->l4 + sizeof(header) > p->end ||
	    bpf_skb_load_bytes(skb, p->l4, header, sizeof(header)))
		return -MR_DROP_INVALID_PACKET;
	mr_set_icmp(p, header[0], header[1], header[4] << 8 | header[5]);
	return 0;
}

static __always_inline int mr_read_two_ports(struct __sk_buff *skb, struct mr_seen *p, __u32 least)
{
	__be16 ports[2];

	if (p->l4 + least > p->end || bpf_skb_load_bytes(skb, p->l4, ports, sizeof(ports)))
		return -MR_DROP_INVALID_PACKET;
	p->sport = bpf_ntohs(ports[0]);
	p->dport = bpf_ntohs(ports[1]);
	return 0;
}

/*
 * Ports and flags of a packet that is whole or a first fragment. Protocols that we do
 * not know have port 0.
 */
static __always_inline int mr_read_ports(struct __sk_buff *skb, struct mr_seen *p)
{
	__u8 tcp[2];

	if (mr_is_icmp(p))
		return mr_read_icmp(skb, p);
	if (p->protocol == MR_NEXT_UDP)
		return mr_read_two_ports(skb, p, MR_UDP_HEADER);
	if (p->protocol == MR_NEXT_SCTP)
		return mr_read_two_ports(skb, p, MR_SCTP_HEADER);
	if (p->protocol != MR_NEXT_TCP)
		return 0;
	if (mr_read_two_ports(skb, p, MR_TCP_HEADER) ||
	    bpf_skb_load_bytes(skb, p->l4 + 12, tcp, sizeof(tcp)) || tcp[0] >> 4 < 5)
		return -MR_DROP_INVALID_PACKET;
	p->tcp_flags = tcp[1];
	return 0;
}

static __always_inline void mr_fragment_key_of(const struct mr_seen *p, struct mr_fragment_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->cookie = p->cookie;
	key->id = p->fragment_id;
	key->protocol = p->family == 4 ? p->protocol : 0;
	key->direction = p->direction;
	mr_store(key->src, &p->src);
	mr_store(key->dst, &p->dst);
}

/*
 * A later fragment may find what the first fragment of an older packet with the same
 * id said. It is then judged by the wrong ports, but it never becomes part of a packet
 * that was not judged by its own: the receiver needs a first fragment, and every one
 * of those is judged itself and corrects what is kept.
 */
MR_ONCE int mr_share_fragment(struct mr_seen *p)
{
	struct mr_fragment_key key;
	struct mr_fragment *first;

	if (!p)
		return -MR_DROP_FRAGMENT;
	mr_fragment_key_of(p, &key);
	if (p->fragment == MR_FIRST_FRAGMENT) {
		struct mr_fragment value = {
			.sport = p->sport,
			.dport = p->dport,
			.icmp = p->icmp,
			.protocol = p->protocol,
		};

		bpf_map_update_elem(&mr_fragments, &key, &value, BPF_ANY);
		return 0;
	}
	first = bpf_map_lookup_elem(&mr_fragments, &key);
	if (!first)
		return -MR_DROP_FRAGMENT;
	p->sport = first->sport;
	p->dport = first->dport;
	p->icmp = first->icmp;
	p->protocol = first->protocol;
	return 0;
}

/* Everything behind the addresses. */
static __always_inline int mr_read_transport(struct __sk_buff *skb, struct mr_seen *p)
{
	int result = p->family == 6 ? mr_skip_extensions(skb, p) : 0;

	if (result)
		return result;
	if (p->fragment != MR_LATER_FRAGMENT) {
		result = mr_read_ports(skb, p);
		if (result)
			return result;
	}
	if (p->fragment == MR_FIRST_FRAGMENT || p->fragment == MR_LATER_FRAGMENT)
		return mr_share_fragment(p);
	return 0;
}

/*
 * The packet that an ICMP error is about, as far as the error carries it: it went the
 * other way. Returns 0 when it cannot be told.
 */
static __always_inline int mr_read_inner(struct __sk_buff *skb, const struct mr_seen *outer,
					 struct mr_seen *inner)
{
	__u32 at = outer->l4 + MR_ICMP_HEADER;
	__u32 end = outer->end;
	__u8 bytes[MR_ICMP_HEADER];

	inner->cookie = outer->cookie;
	inner->direction = outer->direction == MR_EGRESS ? MR_INGRESS : MR_EGRESS;
	/* its length is that of the packet before it was cut off */
	if (outer->family == 4)
		mr_read_ipv4(skb, inner, at);
	else
		mr_read_ipv6(skb, inner, at);
	inner->end = end;
	if (!inner->family || inner->fragment == MR_LATER_FRAGMENT)
		return 0;
	if (inner->family == 6 && (mr_skip_extensions(skb, inner) || inner->fragment))
		return 0;
	if (inner->l4 + sizeof(bytes) > end ||
	    bpf_skb_load_bytes(skb, inner->l4, bytes, sizeof(bytes)))
		return 0;
	if (mr_is_icmp(inner)) {
		mr_set_icmp(inner, bytes[0], bytes[1], bytes[4] << 8 | bytes[5]);
	} else if (inner->protocol == MR_NEXT_TCP || inner->protocol == MR_NEXT_UDP ||
		   inner->protocol == MR_NEXT_SCTP) {
		inner->sport = bytes[0] << 8 | bytes[1];
		inner->dport = bytes[2] << 8 | bytes[3];
	}
	return 1;
}

#endif
