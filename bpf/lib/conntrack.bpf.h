/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_CONNTRACK_H
#define MR_LIB_CONNTRACK_H

#include "lib/maps.bpf.h"
#include "lib/policy-ports.bpf.h"

/*
 * A connection begins in mr_opening and moves to mr_conntrack when whoever opened it
 * speaks again after an answer: whoever floods with first packets, also from addresses
 * that are not theirs and are answered, never gets there, and pushes out only what is
 * not confirmed either. A bound for each pod on first packets would need to count
 * them down when they expire, and nobody is there to do it.
 */

#define MR_SECOND 1000000000ULL
#define MR_TCP_LIFETIME (8000 * MR_SECOND)
#define MR_OPENING_LIFETIME (60 * MR_SECOND)
#define MR_CLOSING_LIFETIME (10 * MR_SECOND)
#define MR_OTHER_LIFETIME (60 * MR_SECOND)
/* in units of 2^30 ns: how often a connection that goes on is told of */
#define MR_TRACE_INTERVAL 5

#define MR_FLAG_FIN 0x01
#define MR_FLAG_SYN 0x02
#define MR_FLAG_RST 0x04
#define MR_FLAG_ACK 0x10
#define MR_FLAGS_TOLD (MR_FLAG_FIN | MR_FLAG_SYN | MR_FLAG_RST)

/* How a packet stands to what is known. */
struct mr_found {
	/* of the connection, as whoever opened it sees it */
	struct mr_conntrack_key key;
	/* enum mr_trace_reason: NEW, ESTABLISHED or REPLY */
	__u8 reason;
	/* in mr_opening */
	__u8 opening;
};

/* The first packet of a TCP connection, and nothing else. */
static __always_inline int mr_is_pure_syn(const struct mr_seen *p)
{
	return p->protocol == MR_NEXT_TCP &&
	       (p->tcp_flags & (MR_FLAG_SYN | MR_FLAG_ACK | MR_FLAG_RST)) == MR_FLAG_SYN;
}

static __always_inline void mr_forward_key(const struct mr_seen *p, struct mr_conntrack_key *key)
{
	key->cookie = p->cookie;
	mr_store(key->src, &p->src);
	mr_store(key->dst, &p->dst);
	key->sport = p->sport;
	key->dport = p->dport;
	key->protocol = p->protocol;
	key->direction = p->direction;
	key->pad = 0;
}

/* The connection that a packet would be an answer of. */
static __always_inline void mr_back_key(const struct mr_seen *p, struct mr_conntrack_key *key)
{
	key->cookie = p->cookie;
	mr_store(key->src, &p->dst);
	mr_store(key->dst, &p->src);
	key->sport = mr_is_icmp(p) ? p->sport : p->dport;
	key->dport = mr_asked_port(p);
	key->protocol = p->protocol;
	key->direction = p->direction == MR_EGRESS ? MR_INGRESS : MR_EGRESS;
	key->pad = 0;
}

static __always_inline struct mr_conntrack *mr_find_in(void *map, const struct mr_found *found,
						       __u64 now)
{
	struct mr_conntrack *entry = bpf_map_lookup_elem(map, &found->key);

	return entry && entry->expires_ns >= now ? entry : 0;
}

/*
 * Finds the connection of a packet; NULL, and the key that of a new connection, when
 * there is none. A SYN never answers: it is a new connection of its own, and a closed
 * one that it finds begins again.
 */
static __noinline struct mr_conntrack *mr_find(const struct mr_seen *p, struct mr_found *found,
					       __u64 now)
{
	int syn = mr_is_pure_syn(p);
	int answer = mr_is_icmp(p) ? mr_asked_port(p) != 0 : !syn;
	struct mr_conntrack *entry;

	found->opening = 0;
	found->reason = MR_REASON_ESTABLISHED;
	mr_forward_key(p, &found->key);
	entry = mr_find_in(&mr_conntrack, found, now);
	if (!entry && answer) {
		found->reason = MR_REASON_REPLY;
		mr_back_key(p, &found->key);
		entry = mr_find_in(&mr_conntrack, found, now);
		if (entry)
			return entry;
		found->opening = 1;
		entry = mr_find_in(&mr_opening, found, now);
		if (entry)
			return entry;
		found->reason = MR_REASON_ESTABLISHED;
		mr_forward_key(p, &found->key);
	}
	if (!entry) {
		found->opening = 1;
		entry = mr_find_in(&mr_opening, found, now);
	}
	if (entry && !(syn && (entry->flags & MR_CONNTRACK_CLOSED)))
		return entry;
	found->reason = MR_REASON_NEW;
	return 0;
}

static __always_inline __u64 mr_lifetime(const struct mr_seen *p, const struct mr_conntrack *entry,
					 int opening)
{
	if (p->protocol != MR_NEXT_TCP)
		return MR_OTHER_LIFETIME;
	if (entry->flags & MR_CONNTRACK_CLOSED)
		return MR_CLOSING_LIFETIME;
	return opening ? MR_OPENING_LIFETIME : MR_TCP_LIFETIME;
}

static __always_inline __u32 mr_flags_after(const struct mr_seen *p, __u32 flags, int back)
{
	if (back)
		flags |= MR_CONNTRACK_REPLIED;
	if (p->protocol != MR_NEXT_TCP)
		return flags;
	if (p->tcp_flags & MR_FLAG_FIN)
		flags |= back ? MR_CONNTRACK_FIN_BACK : MR_CONNTRACK_FIN_FORWARD;
	if ((flags & MR_CONNTRACK_FIN_BACK) && (flags & MR_CONNTRACK_FIN_FORWARD))
		flags |= MR_CONNTRACK_CLOSED;
	if (p->tcp_flags & MR_FLAG_RST)
		flags |= MR_CONNTRACK_CLOSED;
	return flags;
}

/* Whether this packet is one that is told of at medium aggregation; notes that it was. */
static __always_inline int mr_is_telling(const struct mr_seen *p, struct mr_conntrack *entry,
					 int back, __u64 now)
{
	__u32 second = now >> 30;
	__u8 flags = p->tcp_flags & MR_FLAGS_TOLD;
	__u32 *traced = &entry->traced[back ? 1 : 0];
	__u8 *seen = &entry->tcp_flags[back ? 1 : 0];

	if (*traced && second - *traced < MR_TRACE_INTERVAL && !(flags & ~*seen))
		return 0;
	*traced = second;
	*seen |= flags;
	return 1;
}

/* Notes a packet that passes in the state of its connection. */
static __always_inline void mr_advance(const struct mr_seen *p, struct mr_conntrack *entry,
				       const struct mr_found *found, __u32 length, __u64 now)
{
	int back = found->reason == MR_REASON_REPLY;
	__u32 flags = mr_flags_after(p, entry->flags, back);

	if (flags != entry->flags)
		__sync_fetch_and_or(&entry->flags, flags);
	__sync_fetch_and_add(back ? &entry->back_packets : &entry->forward_packets, 1);
	__sync_fetch_and_add(back ? &entry->back_bytes : &entry->forward_bytes, length);
	entry->expires_ns = now + mr_lifetime(p, entry, found->opening);
	if (!found->opening || back || !(flags & MR_CONNTRACK_REPLIED) ||
	    (flags & MR_CONNTRACK_CLOSED))
		return;
	entry->expires_ns = now + mr_lifetime(p, entry, 0);
	if (!bpf_map_update_elem(&mr_conntrack, &found->key, entry, BPF_ANY))
		bpf_map_delete_elem(&mr_opening, &found->key);
}

/*
 * A new connection that policy lets through. What was known under the same ports the
 * other way round is over: its packets would be taken for this one's answers.
 */
static __always_inline int mr_add_connection(const struct mr_seen *p, struct mr_found *found,
					     struct mr_conntrack *entry, __u32 length, __u64 now)
{
	entry->flags = mr_flags_after(p, entry->flags, 0);
	entry->expires_ns = now + mr_lifetime(p, entry, 1);
	entry->forward_packets = 1;
	entry->forward_bytes = length;
	entry->traced[0] = now >> 30;
	entry->tcp_flags[0] = p->tcp_flags & MR_FLAGS_TOLD;
	if (mr_is_pure_syn(p)) {
		struct mr_conntrack_key back;

		mr_back_key(p, &back);
		bpf_map_delete_elem(&mr_conntrack, &back);
		bpf_map_delete_elem(&mr_opening, &back);
	}
	bpf_map_delete_elem(&mr_conntrack, &found->key);
	return bpf_map_update_elem(&mr_opening, &found->key, entry, BPF_ANY)
		       ? -MR_DROP_CONNTRACK_INSERT
		       : 0;
}

static __always_inline void mr_forget_connection(const struct mr_found *found)
{
	bpf_map_delete_elem(&mr_conntrack, &found->key);
	bpf_map_delete_elem(&mr_opening, &found->key);
}

#endif
