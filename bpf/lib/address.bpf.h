/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_ADDRESS_H
#define MR_LIB_ADDRESS_H

#include <linux/types.h>
#include <bpf/bpf_endian.h>

#define MR_AF_INET 2
#define MR_AF_INET6 10

/*
 * clang 14 turns loads of two context fields in two branches into one load
 * through a chosen pointer, which the verifier forbids. It never moves a load
 * across inline assembly.
 */
#define MR_FIELD(field)                          \
	({                                       \
		__u32 value_ = (field);          \
		asm volatile("" : "+r"(value_)); \
		value_;                          \
	})

/* In registers and on the stack an address is four words in network order. */
struct mr_address {
	__be32 word[4];
} __attribute__((aligned(8)));

static __always_inline struct mr_address mr_mapped(__be32 ipv4)
{
	struct mr_address a = { .word = { 0, 0, bpf_htonl(0xffff), ipv4 } };

	return a;
}

static __always_inline int mr_is_ipv4(const struct mr_address *a)
{
	return a->word[0] == 0 && a->word[1] == 0 && a->word[2] == bpf_htonl(0xffff);
}

static __always_inline int mr_is_zero(const struct mr_address *a)
{
	return (a->word[0] | a->word[1] | a->word[2] | a->word[3]) == 0;
}

static __always_inline int mr_is_same(const struct mr_address *a, const struct mr_address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

/* 0.0.0.0, ::ffff:0.0.0.0 or :: */
static __always_inline int mr_is_wildcard(const struct mr_address *a)
{
	return mr_is_zero(a) || (mr_is_ipv4(a) && a->word[3] == 0);
}

/* 127.0.0.0/8 or ::1 */
static __always_inline int mr_is_loopback(const struct mr_address *a)
{
	if (mr_is_ipv4(a))
		return (a->word[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return a->word[0] == 0 && a->word[1] == 0 && a->word[2] == 0 && a->word[3] == bpf_htonl(1);
}

/* 127.0.0.6 or ::6: the proxy's own source for what it passes on to the application */
static __always_inline int mr_is_passthrough(const struct mr_address *a)
{
	if (mr_is_ipv4(a))
		return a->word[3] == bpf_htonl(0x7f000006);
	return a->word[0] == 0 && a->word[1] == 0 && a->word[2] == 0 && a->word[3] == bpf_htonl(6);
}

static __always_inline void mr_store(__u8 *to, const struct mr_address *from)
{
	__builtin_memcpy(to, from, 16);
}

static __always_inline struct mr_address mr_load(const __u8 *from)
{
	struct mr_address a;

	__builtin_memcpy(&a, from, 16);
	return a;
}

/*
 * Redirected connections go to one of many local addresses, chosen by the
 * destination that was dialled. So two connections from one source port to two
 * destinations stay two connections, and the pod's ephemeral ports are not
 * shared by everything that goes to the proxy.
 * IPv4: 127.128.0.0/9. IPv6: fd6d:696c:6c72:6163::/64, a local route of the pod.
 */
#define MR_SPREAD4 0x7f800000
#define MR_SPREAD4_MASK 0xff800000
#define MR_SPREAD6_0 0xfd6d696c
#define MR_SPREAD6_1 0x6c726163

static __always_inline __u32 mr_hash(const struct mr_address *a, __u16 port)
{
	__u32 h = 2166136261u;

	/* FNV-1a over words, then the finaliser of MurmurHash3 to spread the low bits */
	h = (h ^ a->word[0]) * 16777619u;
	h = (h ^ a->word[1]) * 16777619u;
	h = (h ^ a->word[2]) * 16777619u;
	h = (h ^ a->word[3]) * 16777619u;
	h = (h ^ port) * 16777619u;
	h ^= h >> 16;
	h *= 0x85ebca6bu;
	h ^= h >> 13;
	h *= 0xc2b2ae35u;
	h ^= h >> 16;
	return h;
}

/*
 * Half of the addresses are found by the hash alone, and may be those of several
 * destinations. Those of the other half are assigned, each to one destination
 * (lib/destination.bpf.h).
 */
#define MR_ASSIGNED4 0x00400000
#define MR_ASSIGNED6 0x80000000

static __always_inline struct mr_address mr_spread4(const struct mr_address *a, __u16 port)
{
	return mr_mapped(
		bpf_htonl(MR_SPREAD4 | (mr_hash(a, port) & ~MR_SPREAD4_MASK & ~MR_ASSIGNED4)));
}

static __always_inline struct mr_address mr_spread6(const struct mr_address *a, __u16 port)
{
	struct mr_address to = {
		.word = { bpf_htonl(MR_SPREAD6_0), bpf_htonl(MR_SPREAD6_1), a->word[3] ^ a->word[1],
			  bpf_htonl(mr_hash(a, port) & ~MR_ASSIGNED6) },
	};

	return to;
}

/* The address that a destination with this hash may be assigned. */
static __always_inline struct mr_address mr_assigned(const struct mr_address *a, __u32 hash)
{
	struct mr_address to = {
		.word = { bpf_htonl(MR_SPREAD6_0), bpf_htonl(MR_SPREAD6_1), a->word[3] ^ a->word[1],
			  bpf_htonl(hash | MR_ASSIGNED6) },
	};

	if (mr_is_ipv4(a))
		return mr_mapped(bpf_htonl(MR_SPREAD4 | MR_ASSIGNED4 | (hash & ~MR_SPREAD4_MASK)));
	return to;
}

static __always_inline int mr_is_assigned(const struct mr_address *a)
{
	if (mr_is_ipv4(a))
		return (a->word[3] & bpf_htonl(MR_SPREAD4_MASK | MR_ASSIGNED4)) ==
		       bpf_htonl(MR_SPREAD4 | MR_ASSIGNED4);
	return a->word[0] == bpf_htonl(MR_SPREAD6_0) && a->word[1] == bpf_htonl(MR_SPREAD6_1) &&
	       (a->word[3] & bpf_htonl(MR_ASSIGNED6));
}

static __always_inline int mr_is_spread(const struct mr_address *a)
{
	if (mr_is_ipv4(a))
		return (a->word[3] & bpf_htonl(MR_SPREAD4_MASK)) == bpf_htonl(MR_SPREAD4);
	return a->word[0] == bpf_htonl(MR_SPREAD6_0) && a->word[1] == bpf_htonl(MR_SPREAD6_1);
}

#endif
