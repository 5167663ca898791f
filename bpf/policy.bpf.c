// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * tcx ingress (from the pod) and egress (to the pod) of the interface that a pod has on
 * the node: every packet is judged by the policy of the pod. One program for all pods.
 */
#include "lib/judged.bpf.h"
#include "lib/verdict.bpf.h"

static __always_inline int mr_is_enforced(const struct mr_judged *j)
{
	struct mr_subject *subject = bpf_map_lookup_elem(&mr_subjects, &j->own);

	if (j->endpoint_flags & MR_ENDPOINT_AUDIT)
		return 0;
	return !j->own || (subject && (subject->flags &
				       (j->seen.direction == MR_EGRESS ? MR_SUBJECT_EGRESS
								       : MR_SUBJECT_INGRESS)));
}

static __always_inline const struct mr_address *mr_peer_address(const struct mr_seen *p)
{
	return p->direction == MR_EGRESS ? &p->dst : &p->src;
}

/* What cannot be judged is dropped where anything is; what is broken or a lie, everywhere. */
static __always_inline int mr_end_unread(struct mr_judged *j, int result)
{
	if (j->seen.family)
		j->peer = mr_identity_of(mr_peer_address(&j->seen));
	if (result == -MR_DROP_INVALID_PACKET || result == -MR_DROP_INVALID_SOURCE_IP ||
	    mr_is_enforced(j))
		return mr_drop_packet(j, -result);
	return mr_pass_packet(j, 0);
}

static __always_inline int mr_is_link_local(const struct mr_address *a)
{
	return (a->word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* A pod speaks for itself alone. */
static __always_inline int mr_is_own_address(const struct mr_endpoint *endpoint, __u8 family,
					     const struct mr_address *a)
{
	struct mr_address own = mr_load(family == 4 ? endpoint->addr4 : endpoint->addr6);

	if (endpoint->flags & MR_ENDPOINT_FORWARDS)
		return 1;
	return !mr_is_zero(&own) && own.word[0] == a->word[0] && own.word[1] == a->word[1] &&
	       own.word[2] == a->word[2] && own.word[3] == a->word[3];
}

static __always_inline int mr_is_own_source(const struct mr_endpoint *endpoint,
					    const struct mr_seen *p)
{
	return mr_is_own_address(endpoint, p->family, &p->src);
}

/* Where ARP has its sender's address, and a neighbour advertisement its target. */
#define MR_ARP_SENDER 14
#define MR_ADVERTISED 8

/* Whether a pod tells its link that another's address is its own: neighbours on a bridge would believe it. */
MR_ONCE int mr_claims_other(struct __sk_buff *skb, __u32 at, __u8 family,
			    const struct mr_endpoint *endpoint)
{
	struct mr_address claimed = {};
	__be32 sender = 0;

	if (!endpoint)
		return 1;
	if (family == 4) {
		if (bpf_skb_load_bytes(skb, at + MR_ARP_SENDER, &sender, sizeof(sender)))
			return 1;
		claimed = mr_mapped(sender);
		return sender && !mr_is_own_address(endpoint, 4, &claimed);
	}
	if (bpf_skb_load_bytes(skb, at + MR_ADVERTISED, &claimed, sizeof(claimed)))
		return 1;
	return !mr_is_link_local(&claimed) && !mr_is_own_address(endpoint, 6, &claimed);
}

/* What a pod may tell its link without being asked who it is. Routers are others. */
static __always_inline int mr_may_say(struct __sk_buff *skb, const struct mr_seen *p,
				      const struct mr_endpoint *endpoint)
{
	__u8 type = p->icmp >> 8;

	if (!mr_is_zero(&p->src) && !mr_is_link_local(&p->src) && !mr_is_own_source(endpoint, p))
		return 0;
	if (type == MR_ICMP6_ROUTER_ADVERTISEMENT)
		return !!(endpoint->flags & MR_ENDPOINT_FORWARDS);
	return type != MR_ICMP6_NEIGHBOUR_ADVERTISEMENT ||
	       !mr_claims_other(skb, p->l4, 6, endpoint);
}

/* The right to speak of the connection that a packet belongs to, by whoever opened it. */
MR_ONCE int mr_ask(struct mr_judged *j)
{
	struct mr_verdict said = { .verdict = -MR_DROP_NOT_READY };
	const struct mr_seen *p = &j->seen;
	__u16 port;

	if (!j)
		return -MR_DROP_NOT_READY;
	port = j->found.reason == MR_REASON_REPLY ? mr_asked_port(p) : p->dport;
	j->peer = mr_identity_of(mr_peer_address(p));
	if (j->own)
		said = mr_policy_verdict(j->own, j->peer, j->found.key.direction, p->protocol,
					 bpf_htons(port));
	j->rule = said.rule;
	return said.verdict;
}

/* Asks for a connection that is new or was allowed by older policy. Returns 0 when it may not go on. */
static __always_inline int mr_decide(struct mr_judged *j, __u32 *drop)
{
	int verdict = mr_ask(j);

	*drop = -verdict;
	if (verdict && (j->endpoint_flags & MR_ENDPOINT_AUDIT))
		j->flow_flags |= MR_FLOW_AUDITED;
	if (verdict || j->reason == MR_REASON_NEW)
		mr_tell(j, MR_FLOW_VERDICT, *drop);
	return !verdict || (j->flow_flags & MR_FLOW_AUDITED);
}

static __always_inline int mr_judge_new(struct mr_judged *j, __u32 epoch)
{
	struct mr_conntrack entry = { .epoch = epoch };
	__u32 drop;

	if (!mr_decide(j, &drop))
		return mr_drop_packet(j, drop);
	entry.rule = j->rule;
	entry.peer = j->peer;
	if (j->flow_flags & MR_FLOW_AUDITED)
		entry.flags = MR_CONNTRACK_AUDITED;
	if (mr_add_connection(&j->seen, &j->found, &entry, j->length, j->now))
		return mr_drop_packet(j, MR_DROP_CONNTRACK_INSERT);
	return mr_pass_packet(j, 1);
}

static __always_inline int mr_judge_known(struct mr_judged *j, struct mr_conntrack *entry,
					  __u32 epoch)
{
	int back = j->found.reason == MR_REASON_REPLY;
	int telling;
	__u32 drop;

	if (back)
		j->flow_flags |= MR_FLOW_REPLY;
	if (entry->epoch != epoch) {
		if (!mr_decide(j, &drop)) {
			mr_forget_connection(&j->found);
			return mr_drop_packet(j, drop);
		}
		entry->rule = j->rule;
		entry->peer = j->peer;
		if (j->flow_flags & MR_FLOW_AUDITED)
			__sync_fetch_and_or(&entry->flags, MR_CONNTRACK_AUDITED);
		else
			__sync_fetch_and_and(&entry->flags, ~MR_CONNTRACK_AUDITED);
		entry->epoch = epoch;
	} else {
		j->rule = entry->rule;
		j->peer = entry->peer;
		if (entry->flags & MR_CONNTRACK_AUDITED)
			j->flow_flags |= MR_FLOW_AUDITED;
	}
	telling = mr_is_telling(&j->seen, entry, back, j->now);
	mr_advance(&j->seen, entry, &j->found, j->length, j->now);
	return mr_pass_packet(j, telling);
}

/* An ICMP error belongs to the connection of the packet that it is about, which the receiver has sent. */
static __noinline struct mr_conntrack *mr_related(struct __sk_buff *skb, struct mr_judged *j)
{
	const struct mr_address *to = &j->seen.dst;
	struct mr_seen inner = {};

	if (!mr_read_inner(skb, &j->seen, &inner))
		return 0;
	if (inner.src.word[0] != to->word[0] || inner.src.word[1] != to->word[1] ||
	    inner.src.word[2] != to->word[2] || inner.src.word[3] != to->word[3])
		return 0;
	return mr_find(&inner, &j->found, j->now);
}

/* Everything that has a connection. */
static __always_inline int mr_judge_flow(struct __sk_buff *skb, struct mr_judged *j)
{
	struct mr_conntrack *entry;
	__u32 epoch = mr_policy_epoch();

	if (mr_is_icmp_error(&j->seen)) {
		entry = mr_related(skb, j);
		/* its connection was just spoken on, and asked for again then; one that was not may have lost its right */
		if (entry && entry->epoch == epoch) {
			j->reason = MR_REASON_RELATED;
			j->peer = entry->peer;
			return mr_pass_packet(j, 1);
		}
	}
	entry = mr_find(&j->seen, &j->found, j->now);
	j->reason = j->found.reason;
	return entry ? mr_judge_known(j, entry, epoch) : mr_judge_new(j, epoch);
}

static __always_inline int mr_judge(struct __sk_buff *skb, __u8 direction)
{
	struct mr_judged j = { .seen = { .direction = direction }, .reason = MR_REASON_UNKNOWN };
	struct mr_endpoint *endpoint;
	__u16 ethertype;
	__u64 *cookie;
	int result;
	__u32 at;

	j.interface = skb->ifindex;
	cookie = bpf_map_lookup_elem(&mr_host_interfaces, &j.interface);
	if (!cookie)
		return TC_ACT_UNSPEC;
	j.seen.cookie = *cookie;
	j.length = skb->len;
	j.flow_flags = MR_FLOW_REPLY_UNKNOWN;
	endpoint = bpf_map_lookup_elem(&mr_endpoints, cookie);
	result = mr_read_link(skb, &at, &ethertype);
	if (!result && ethertype == ETH_P_ARP &&
	    (direction == MR_INGRESS || (endpoint && !mr_claims_other(skb, at, 4, endpoint))))
		return TC_ACT_UNSPEC;
	if (!endpoint)
		return mr_drop_packet(&j, MR_DROP_NOT_READY);
	j.own = endpoint->identity;
	j.endpoint_flags = endpoint->flags;
	j.peer = MR_IDENTITY_UNKNOWN;
	if (result)
		return mr_end_unread(&j, result);
	if (ethertype == ETH_P_ARP)
		return mr_end_unread(&j, -MR_DROP_INVALID_SOURCE_IP);
	if (ethertype == ETH_P_IP)
		result = mr_read_ipv4(skb, &j.seen, at);
	else if (ethertype == ETH_P_IPV6)
		result = mr_read_ipv6(skb, &j.seen, at);
	else
		result = -MR_DROP_UNKNOWN_L3;
	if (result)
		return mr_end_unread(&j, result);
	result = mr_read_transport(skb, &j.seen);
	if (!result && mr_is_link_talk(&j.seen))
		return direction == MR_INGRESS || mr_may_say(skb, &j.seen, endpoint)
			       ? TC_ACT_UNSPEC
			       : mr_end_unread(&j, -MR_DROP_INVALID_SOURCE_IP);
	if (direction == MR_EGRESS && !mr_is_own_source(endpoint, &j.seen))
		return mr_end_unread(&j, -MR_DROP_INVALID_SOURCE_IP);
	if (result)
		return mr_end_unread(&j, result);
	j.flow_flags = 0;
	j.now = bpf_ktime_get_ns();
	return mr_judge_flow(skb, &j);
}

/* tcx ingress of the node's interface: the pod sends */
SEC("tc")
int mr_policy_from_pod(struct __sk_buff *skb)
{
	return mr_judge(skb, MR_EGRESS);
}

/* tcx egress of the node's interface: to the pod */
SEC("tc")
int mr_policy_to_pod(struct __sk_buff *skb)
{
	return mr_judge(skb, MR_INGRESS);
}
