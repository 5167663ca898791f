// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * tcx egress of a pod's lo: queries to addresses of the spread reach the resolver
 * on 127.0.0.1 or ::1, and its answers go back as from where they were sent.
 */
#include "lib/connect.bpf.h"
#include "lib/cookie.bpf.h"
#include "lib/packet.bpf.h"

#include <linux/pkt_cls.h>

/* seconds (of 2^30 ns) after which nobody waits for an answer any more */
#define MR_ANSWER_TIME 30

static __always_inline struct mr_address mr_resolver(const struct mr_packet *p)
{
	if (p->ipv4)
		return mr_mapped(bpf_htonl(0x7f000001));
	return (struct mr_address){ .word = { 0, 0, 0, bpf_htonl(1) } };
}

/* A port whose last query is long answered is free again, or one pod's old queries would take them all. */
static __always_inline int mr_take_over(const struct mr_dns_reply_key *key,
					const struct mr_dns_reply *back)
{
	struct mr_dns_reply *other = bpf_map_lookup_elem(&mr_dns_replies, key);

	if (!other || back->asked - other->asked < MR_ANSWER_TIME)
		return 0;
	return !bpf_map_update_elem(&mr_dns_replies, key, back, BPF_ANY);
}

/*
 * The port under which the resolver sees this client: its own, unless the same
 * port asks another server too. 0 when no port is free.
 */
static __always_inline __u16 mr_seen_port(__u64 cookie, const struct mr_packet *p)
{
	struct mr_dns_query_key query = { .cookie = cookie, .port = p->sport };
	struct mr_dns_reply_key reply = { .cookie = cookie };
	struct mr_dns_reply back = { .port = p->sport, .asked = bpf_ktime_get_ns() >> 30 };
	struct mr_dns_query *known;
	struct mr_dns_query seen = {};

	mr_store(query.client, &p->src);
	mr_store(query.spread, &p->dst);
	mr_store(reply.client, &p->src);
	mr_store(back.spread, &p->dst);
	known = bpf_map_lookup_elem(&mr_dns_queries, &query);
	if (known) {
		struct mr_dns_reply *other;

		reply.seen_port = known->seen_port;
		other = bpf_map_lookup_elem(&mr_dns_replies, &reply);
		/* the way back may have been evicted, and given to another */
		if (other && other->port == p->sport) {
			struct mr_address spread = mr_load(other->spread);

			if (mr_is_same(&spread, &p->dst)) {
				other->asked = back.asked;
				return known->seen_port;
			}
		}
	}
	seen.seen_port = p->sport;
	for (int i = 0; i < MR_PORT_TRIES; i++) {
		reply.seen_port = seen.seen_port;
		if (!bpf_map_update_elem(&mr_dns_replies, &reply, &back, BPF_NOEXIST) ||
		    mr_take_over(&reply, &back)) {
			bpf_map_update_elem(&mr_dns_queries, &query, &seen, BPF_ANY);
			return seen.seen_port;
		}
		seen.seen_port = mr_any_port();
	}
	return 0;
}

static __always_inline int mr_to_resolver(struct __sk_buff *skb, __u64 cookie,
					  const struct mr_packet *p)
{
	struct mr_address resolver = mr_resolver(p);
	__u16 port = mr_seen_port(cookie, p);

	if (!port) {
		mr_count(MR_COUNT_ERROR_DNS_PORT);
		return TC_ACT_SHOT;
	}
	mr_set_port(skb, p, p->sport, port, 1);
	mr_set_address(skb, p, &p->dst, &resolver, 0);
	return TC_ACT_UNSPEC;
}

static __always_inline int mr_from_resolver(struct __sk_buff *skb, __u64 cookie,
					    const struct mr_packet *p)
{
	struct mr_dns_reply_key key = { .cookie = cookie, .seen_port = p->dport };
	struct mr_dns_reply *reply;
	struct mr_address spread;
	__u16 port;

	mr_store(key.client, &p->dst);
	reply = bpf_map_lookup_elem(&mr_dns_replies, &key);
	if (!reply)
		return TC_ACT_UNSPEC;
	spread = mr_load(reply->spread);
	port = reply->port;
	mr_set_port(skb, p, p->dport, port, 0);
	mr_set_address(skb, p, &p->src, &spread, 1);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int mr_dns_nat(struct __sk_buff *skb)
{
	__u64 cookie = mr_own_cookie();
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	struct mr_address resolver;
	struct mr_packet p = {};

	if (!pod || !(pod->flags & MR_POD_DNS) || !mr_parse(skb, &p, IPPROTO_UDP))
		return TC_ACT_UNSPEC;
	if (p.dport == pod->dns_port && mr_is_spread(&p.dst))
		return mr_to_resolver(skb, cookie, &p);
	resolver = mr_resolver(&p);
	if (p.sport == pod->dns_port && mr_is_same(&p.src, &resolver))
		return mr_from_resolver(skb, cookie, &p);
	return TC_ACT_UNSPEC;
}
