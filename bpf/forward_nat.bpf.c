// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * tcx ingress and egress of a pod's interface: connections of others that the pod
 * would only forward go to the proxy. What is for the pod itself is sk_lookup's.
 */
#include "lib/connect.bpf.h"
#include "lib/cookie.bpf.h"
#include "lib/inbound.bpf.h"
#include "lib/packet.bpf.h"

#include <linux/pkt_cls.h>

static __always_inline int mr_is_new(const struct mr_packet *p)
{
	return (p->tcp_flags & (MR_TCP_SYN | MR_TCP_ACK | MR_TCP_RST)) == MR_TCP_SYN;
}

static __always_inline struct mr_tuple mr_packet_tuple(__u64 cookie, const struct mr_packet *p)
{
	struct mr_tuple t = { .cookie = cookie, .sport = p->sport, .dport = p->dport };

	mr_store(t.src, &p->src);
	mr_store(t.dst, &p->dst);
	return t;
}

/*
 * Gives a new connection a port towards the proxy: its own, unless the client uses
 * that for another destination too. Returns 0 when there is none.
 */
static __always_inline int mr_add_forward(__u64 cookie, const struct mr_packet *p,
					  const struct mr_tuple *key, struct mr_forward *forward)
{
	struct mr_forward_back_key back_key = {
		.cookie = cookie,
		.proxy_port = forward->proxy_port,
	};
	struct mr_forward_back back = { .dport = p->dport, .sport = p->sport };

	mr_store(back_key.client, &p->src);
	mr_store(back.dst, &p->dst);
	forward->seen_port = p->sport;
	for (int i = 0; i < MR_PORT_TRIES; i++) {
		back_key.seen_port = forward->seen_port;
		if (!bpf_map_update_elem(&mr_forwards_back, &back_key, &back, BPF_NOEXIST))
			return !bpf_map_update_elem(&mr_forwards, key, forward, BPF_ANY);
		forward->seen_port = mr_any_port();
	}
	return 0;
}

/* What the proxy will ask for when it has accepted the connection. */
static __always_inline void mr_put_origin(__u64 cookie, const struct mr_packet *p,
					  const struct mr_forward *forward,
					  const struct mr_address *own)
{
	struct mr_tuple seen = {
		.cookie = cookie,
		.sport = forward->seen_port,
		.dport = forward->proxy_port,
	};
	struct mr_origin origin = { .port = p->dport };

	mr_store(seen.src, &p->src);
	mr_store(seen.dst, own);
	mr_store(origin.addr, &p->dst);
	bpf_map_update_elem(&mr_forward_origins, &seen, &origin, BPF_ANY);
}

/* Whoever speaks to the proxy's port itself must not be taken for the connection that had this port before. */
static __always_inline int mr_forget_forward(__u64 cookie, const struct mr_pod *pod,
					     const struct mr_packet *p)
{
	struct mr_forward_back_key key = {
		.cookie = cookie,
		.seen_port = p->sport,
		.proxy_port = p->dport,
	};

	if (mr_is_new(p) && mr_is_proxy_port(pod, p->dport)) {
		mr_store(key.client, &p->src);
		bpf_map_delete_elem(&mr_forwards_back, &key);
	}
	return TC_ACT_UNSPEC;
}

SEC("tc")
int mr_forward_in(struct __sk_buff *skb)
{
	__u64 cookie = mr_own_cookie();
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	struct mr_interface_key ik = { .cookie = cookie, .index = skb->ifindex };
	struct mr_forward forward = {}, *known;
	struct mr_interface *interface;
	struct mr_packet p = {};
	struct mr_address own;
	struct mr_tuple key;

	if (!pod || !(pod->flags & MR_POD_OUTBOUND) || !mr_parse(skb, &p, IPPROTO_TCP))
		return TC_ACT_UNSPEC;
	if (!p.ipv4 && !(pod->flags & MR_POD_IPV6))
		return TC_ACT_UNSPEC;
	if (mr_is_loopback(&p.dst) || (mr_range_flags_of(cookie, &p.dst) & MR_RANGE_LOCAL))
		return mr_forget_forward(cookie, pod, &p);
	interface = bpf_map_lookup_elem(&mr_interfaces, &ik);
	if (!interface)
		return TC_ACT_UNSPEC;
	own = mr_load(p.ipv4 ? interface->addr4 : interface->addr6);
	key = mr_packet_tuple(cookie, &p);
	known = bpf_map_lookup_elem(&mr_forwards, &key);
	if (known) {
		forward = *known;
	} else {
		enum mr_inbound way;

		if (!mr_is_new(&p))
			return TC_ACT_UNSPEC;
		way = mr_decide_inbound(pod, cookie, &p.dst, p.dport, skb->ifindex);
		if (way == MR_INBOUND_DIRECT)
			return TC_ACT_UNSPEC;
		forward.proxy_port =
			way == MR_INBOUND_TO_OUTBOUND ? pod->outbound_port : pod->inbound_port;
		/* without an address of its own the interface cannot hand over: refused, not passed by */
		if (mr_is_zero(&own) || !mr_add_forward(cookie, &p, &key, &forward)) {
			mr_count(MR_COUNT_ERROR_FORWARD);
			return TC_ACT_SHOT;
		}
		mr_count(MR_COUNT_FORWARD_REDIRECTED);
	}
	if (mr_is_new(&p))
		mr_put_origin(cookie, &p, &forward, &own);
	mr_set_port(skb, &p, p.sport, forward.seen_port, 1);
	mr_set_port(skb, &p, p.dport, forward.proxy_port, 0);
	mr_set_address(skb, &p, &p.dst, &own, 0);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int mr_forward_out(struct __sk_buff *skb)
{
	__u64 cookie = mr_own_cookie();
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	struct mr_forward_back_key key = { .cookie = cookie };
	struct mr_forward_back *back;
	struct mr_packet p = {};
	struct mr_address dst;
	__u16 dport, sport;

	if (!pod || !mr_parse(skb, &p, IPPROTO_TCP) || !mr_is_proxy_port(pod, p.sport))
		return TC_ACT_UNSPEC;
	key.seen_port = p.dport;
	key.proxy_port = p.sport;
	mr_store(key.client, &p.dst);
	back = bpf_map_lookup_elem(&mr_forwards_back, &key);
	if (!back)
		return TC_ACT_UNSPEC;
	dst = mr_load(back->dst);
	dport = back->dport;
	sport = back->sport;
	mr_set_port(skb, &p, p.sport, dport, 1);
	mr_set_port(skb, &p, p.dport, sport, 0);
	mr_set_address(skb, &p, &p.src, &dst, 1);
	return TC_ACT_UNSPEC;
}
