/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_POLICY_H
#define MR_ABI_POLICY_H

#include <linux/types.h>

/*
 * Who is where, who may speak with whom. A packet at a pod's interface is judged so:
 *
 *   interface ─▶ pod (cookie) ─▶ its identity ─▶ its subject: which policy, enforced or not
 *   the other address ─▶ ipcache ─▶ the peer's identity
 *   policy, direction, peer, protocol, port ─▶ two lookups ─▶ verdict
 *
 * Identities are Cilium's: 0 unknown, 1 host, 2 world, 6 remote node, 256 and more for
 * sets of labels, from 16777216 (1 << 24) on for address ranges.
 */
enum mr_identity {
	MR_IDENTITY_UNKNOWN = 0,
	MR_IDENTITY_HOST = 1,
	MR_IDENTITY_WORLD = 2,
	MR_IDENTITY_REMOTE_NODE = 6,
	MR_IDENTITY_FIRST_LABELS = 256,
	MR_IDENTITY_FIRST_RANGE = 1 << 24,
};

/* prefixlen counts from family: 32 + (IPv4: 96 + n, IPv6: n). */
struct mr_ipcache_key {
	__u32 prefixlen;
	__u32 family;
	__u8 addr[16];
};
_Static_assert(sizeof(struct mr_ipcache_key) == 24, "struct mr_ipcache_key is ABI");

struct mr_ipcache {
	__u32 identity;
};

enum mr_endpoint_flags {
	/* what policy denies passes, and is reported as audited */
	MR_ENDPOINT_AUDIT = 1 << 0,
	/* connect() to what policy denies fails with ECONNREFUSED at once */
	MR_ENDPOINT_REJECT = 1 << 1,
	/* sends for others: a source that is not its own is no reason to drop */
	MR_ENDPOINT_FORWARDS = 1 << 2,
};

/* One pod of this node, found by its network namespace cookie. */
struct mr_endpoint {
	__u32 identity;
	__u32 flags;
	/* the only sources it may speak from; all zero: none of this family */
	__u8 addr4[16];
	__u8 addr6[16];
};
_Static_assert(sizeof(struct mr_endpoint) == 40, "struct mr_endpoint is ABI");

enum mr_subject_flags {
	/* this direction is judged; without it everything passes */
	MR_SUBJECT_EGRESS = 1 << 0,
	MR_SUBJECT_INGRESS = 1 << 1,
};

/*
 * Which policy holds for an identity. A changed policy is written whole under a new
 * number before this one row moves to it, so that no packet meets half of it.
 */
struct mr_subject {
	__u32 policy;
	__u32 flags;
};

enum mr_direction {
	MR_INGRESS = 0,
	MR_EGRESS = 1,
};

/*
 * Longest prefix match over protocol and port. peer 0 is everybody. prefixlen counts
 * from policy: 72 (any protocol), 80 + n (n leading bits of the port; a range of ports
 * is several keys). ICMP types stand in the high byte of the port, as in Cilium.
 */
struct mr_policy_key {
	__u32 prefixlen;
	__u32 policy;
	__u32 peer;
	__u8 direction;
	__u8 protocol;
	__be16 dport;
};
_Static_assert(sizeof(struct mr_policy_key) == 16, "struct mr_policy_key is ABI");

/* The low byte of a precedence. At equal rank the higher wins. */
enum mr_action {
	/* no rule of this tier says anything */
	MR_ACTION_NONE = 0,
	/* no rule allows it, and the direction is isolated (rank 0) */
	MR_ACTION_DEFAULT_DENY = 1,
	/* the next tier decides */
	MR_ACTION_PASS = 2,
	MR_ACTION_ALLOW = 3,
	MR_ACTION_DENY = 4,
};

/* ClusterNetworkPolicy Admin; CiliumNetworkPolicy and NetworkPolicy; ClusterNetworkPolicy Baseline. */
enum mr_tier {
	MR_TIER_ADMIN = 0,
	MR_TIER_NORMAL = 1,
	MR_TIER_BASELINE = 2,
	MR_TIERS = 3,
};

/*
 * What one tier says. precedence: rank << 8 | enum mr_action; the greater of the two
 * lookups holds. rule names what decided, for whoever asks; it is never reused.
 */
struct mr_policy_tier {
	__u32 precedence;
	__u32 rule;
};

/*
 * The value holds, for each tier, the greatest precedence among *all* rules of this
 * policy, peer and direction that cover the key's protocols and ports (user space
 * computes it), because the trie gives only the longest match.
 */
struct mr_policy {
	struct mr_policy_tier tiers[3];
};
_Static_assert(sizeof(struct mr_policy) == 24, "struct mr_policy is ABI");

/* A connection at one pod's interface, as whoever opened it sees it. */
struct mr_conntrack_key {
	__u64 cookie;
	__u8 src[16];
	__u8 dst[16];
	__u16 sport;
	__u16 dport;
	__u8 protocol;
	/* enum mr_direction of its first packet */
	__u8 direction;
	__u16 pad;
};
_Static_assert(sizeof(struct mr_conntrack_key) == 48, "struct mr_conntrack_key is ABI");

enum mr_conntrack_flags {
	MR_CONNTRACK_REPLIED = 1 << 0,
	MR_CONNTRACK_FIN_FORWARD = 1 << 1,
	MR_CONNTRACK_FIN_BACK = 1 << 2,
	MR_CONNTRACK_CLOSED = 1 << 3,
	/* passed though policy denies it (MR_ENDPOINT_AUDIT) */
	MR_CONNTRACK_AUDITED = 1 << 4,
};

struct mr_conntrack {
	/* CLOCK_MONOTONIC; later than this the entry counts as absent */
	__u64 expires_ns;
	/* the policy epoch that the verdict below belongs to */
	__u32 epoch;
	__u32 rule;
	__u32 flags;
	/* the peer's identity when the verdict was made */
	__u32 peer;
	__u64 forward_packets;
	__u64 forward_bytes;
	__u64 back_packets;
	__u64 back_bytes;
	/* when its last trace was made (units of 2^30 ns), forward and back */
	__u32 traced[2];
	/* the TCP flags seen so far, forward and back */
	__u8 tcp_flags[2];
	__u16 pad;
	__u32 pad2;
};
_Static_assert(sizeof(struct mr_conntrack) == 72, "struct mr_conntrack is ABI");

/*
 * A fragmented packet, as who puts it together again tells it from others: the
 * protocol is 0 in IPv6, where it may stand only in the first fragment.
 */
struct mr_fragment_key {
	__u64 cookie;
	__u8 src[16];
	__u8 dst[16];
	__u32 id;
	__u8 protocol;
	__u8 direction;
	__u16 pad;
};
_Static_assert(sizeof(struct mr_fragment_key) == 48, "struct mr_fragment_key is ABI");

/* What only its first fragment says, kept for the others. */
struct mr_fragment {
	__u16 sport;
	__u16 dport;
	/* ICMP: type << 8 | code */
	__u16 icmp;
	__u8 protocol;
	__u8 pad;
};
_Static_assert(sizeof(struct mr_fragment) == 8, "struct mr_fragment is ABI");

/* How many events of flows a pod has sent within this second (of 2^30 ns), on each CPU. */
struct mr_flow_usage {
	__u32 second;
	__u32 count;
};

#endif
