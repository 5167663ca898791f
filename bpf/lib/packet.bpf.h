/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_PACKET_H
#define MR_LIB_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>

#include "lib/address.bpf.h"

#define MR_FIRST_PORT 1024
#define MR_PORT_TRIES 8
#define MR_TCP_SYN 0x02
#define MR_TCP_RST 0x04
#define MR_TCP_ACK 0x10

/* An IP packet of one protocol, as far as its addresses and ports go. */
struct mr_packet {
	struct mr_address src;
	struct mr_address dst;
	__u16 sport;
	__u16 dport;
	__u32 l4;
	/* where the checksum of the protocol stands */
	__u32 check;
	__u8 ipv4;
	__u8 protocol;
	__u8 tcp_flags;
};

static __always_inline int mr_parse_ip(struct __sk_buff *skb, struct mr_packet *p)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
			return 0;
		/* a later fragment has no ports */
		if (ip.frag_off & bpf_htons(0x1fff))
			return 0;
		p->ipv4 = 1;
		p->src = mr_mapped(ip.saddr);
		p->dst = mr_mapped(ip.daddr);
		p->protocol = ip.protocol;
		p->l4 = ETH_HLEN + ip.ihl * 4;
		return 1;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
			return 0;
		__builtin_memcpy(&p->src, &ip.saddr, 16);
		__builtin_memcpy(&p->dst, &ip.daddr, 16);
		p->protocol = ip.nexthdr;
		p->l4 = ETH_HLEN + sizeof(ip);
		return 1;
	}
	return 0;
}

/* Reads a packet of the given protocol; 0 if it is none, or has IPv6 extension headers. */
static __always_inline int mr_parse(struct __sk_buff *skb, struct mr_packet *p, __u8 protocol)
{
	__be16 ports[2];

	if (!mr_parse_ip(skb, p) || p->protocol != protocol)
		return 0;
	if (bpf_skb_load_bytes(skb, p->l4, ports, sizeof(ports)))
		return 0;
	p->sport = bpf_ntohs(ports[0]);
	p->dport = bpf_ntohs(ports[1]);
	if (protocol == IPPROTO_UDP) {
		p->check = p->l4 + offsetof(struct udphdr, check);
		return 1;
	}
	p->check = p->l4 + offsetof(struct tcphdr, check);
	return !bpf_skb_load_bytes(skb, p->l4 + 13, &p->tcp_flags, 1);
}

/* The helpers keep the checksum right whether it is whole or left to the device. */
static __always_inline __u64 mr_check_flags(const struct mr_packet *p)
{
	return p->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
}

static __always_inline void mr_set_address(struct __sk_buff *skb, const struct mr_packet *p,
					   const struct mr_address *from,
					   const struct mr_address *to, int source)
{
	__u64 flags = mr_check_flags(p) | BPF_F_PSEUDO_HDR | 4;

	if (p->ipv4) {
		__u32 at = ETH_HLEN +
			   (source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));

		bpf_l4_csum_replace(skb, p->check, from->word[3], to->word[3], flags);
		bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), from->word[3],
				    to->word[3], 4);
		bpf_skb_store_bytes(skb, at, &to->word[3], 4, 0);
	} else {
		__u32 at = ETH_HLEN + (source ? offsetof(struct ipv6hdr, saddr)
					      : offsetof(struct ipv6hdr, daddr));

		for (int i = 0; i < 4; i++)
			bpf_l4_csum_replace(skb, p->check, from->word[i], to->word[i], flags);
		bpf_skb_store_bytes(skb, at, to, 16, 0);
	}
}

/* TCP and UDP have their ports at the same places. */
static __always_inline void mr_set_port(struct __sk_buff *skb, const struct mr_packet *p,
					__u16 from, __u16 to, int source)
{
	__be16 old = bpf_htons(from), new = bpf_htons(to);

	if (from == to)
		return;
	bpf_l4_csum_replace(skb, p->check, old, new, mr_check_flags(p) | 2);
	bpf_skb_store_bytes(skb, p->l4 + (source ? 0 : 2), &new, 2, 0);
}

static __always_inline __u16 mr_any_port(void)
{
	return MR_FIRST_PORT + bpf_get_prandom_u32() % (65536 - MR_FIRST_PORT);
}

#endif
