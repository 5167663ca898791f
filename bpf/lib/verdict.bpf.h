/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_VERDICT_H
#define MR_LIB_VERDICT_H

#include "lib/address.bpf.h"
#include "lib/maps.bpf.h"

/* Prefix lengths of full keys: everything behind the prefixlen. */
#define MR_IPCACHE_BITS (32 + 128)
#define MR_POLICY_BITS (32 + 32 + 8 + 8 + 16)

/* What policy says. verdict: 0 passes, else -enum mr_drop. rule: what decided; 0: nothing did. */
struct mr_verdict {
	__s32 verdict;
	__u32 rule;
};

/* Who an address belongs to; MR_IDENTITY_WORLD where nobody said. */
static __always_inline __u32 mr_identity_of(const struct mr_address *a)
{
	struct mr_ipcache_key key = {
		.prefixlen = MR_IPCACHE_BITS,
		.family = mr_is_ipv4(a) ? 4 : 6,
	};
	struct mr_ipcache *entry;

	mr_store(key.addr, a);
	entry = bpf_map_lookup_elem(&mr_ipcache, &key);
	return entry ? entry->identity : MR_IDENTITY_WORLD;
}

/* Of two lookups the greater precedence holds; on a tie the concrete peer's rule is named. */
static __always_inline struct mr_policy_tier
mr_stronger(const struct mr_policy *peer, const struct mr_policy *everybody, int tier)
{
	if (peer && peer->tiers[tier].precedence >= everybody->tiers[tier].precedence)
		return peer->tiers[tier];
	return everybody->tiers[tier];
}

/*
 * Whether `subject` may speak with `peer`, by the subject's own policy in this
 * direction. dport is in network order; ICMP types stand in its high byte. A
 * subject without a row is selected by no policy. One whose policy says nothing at
 * all about everybody is half written or half gone: closed.
 */
static __always_inline struct mr_verdict mr_policy_verdict(__u32 subject_identity,
							   __u32 peer_identity, __u8 direction,
							   __u8 protocol, __be16 dport)
{
	struct mr_subject *subject = bpf_map_lookup_elem(&mr_subjects, &subject_identity);
	struct mr_policy_key key = { .prefixlen = MR_POLICY_BITS };
	struct mr_verdict pass = {};
	struct mr_policy *peer, *everybody;

	if (!subject ||
	    !(subject->flags & (direction == MR_EGRESS ? MR_SUBJECT_EGRESS : MR_SUBJECT_INGRESS)))
		return pass;
	key.policy = subject->policy;
	key.direction = direction;
	key.protocol = protocol;
	key.dport = dport;
	everybody = bpf_map_lookup_elem(&mr_policy, &key);
	if (!everybody)
		return (struct mr_verdict){ .verdict = -MR_DROP_NOT_READY };
	key.peer = peer_identity;
	peer = bpf_map_lookup_elem(&mr_policy, &key);
	for (int tier = 0; tier < MR_TIERS; tier++) {
		struct mr_policy_tier said = mr_stronger(peer, everybody, tier);

		switch (said.precedence & 0xff) {
		case MR_ACTION_NONE:
		case MR_ACTION_PASS:
			continue;
		case MR_ACTION_ALLOW:
			return (struct mr_verdict){ .rule = said.rule };
		case MR_ACTION_DENY:
			return (struct mr_verdict){ -MR_DROP_POLICY_DENY, said.rule };
		case MR_ACTION_DEFAULT_DENY:
			return (struct mr_verdict){ -MR_DROP_POLICY, said.rule };
		default:
			return (struct mr_verdict){ -MR_DROP_NOT_READY, said.rule };
		}
	}
	return pass;
}

#endif
