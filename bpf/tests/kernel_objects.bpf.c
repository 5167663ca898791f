// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Programs and maps of every kind that src/kernel handles, for its tests. */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PATCHED_CONSTANT 0x4d494c4c52414345ULL /* replaced by patchConstant64() */

struct event {
	__u64 sequence;
	__u32 kind;
	__u32 pad;
};

struct lpm_key {
	__u32 prefixlen;
	__be32 address;
};

/* sequence numbers 0, 1, 2 … written by emit */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

/* anything, by a number */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

/* runs of each program */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} runs SEC(".maps");

/* verdict by source prefix */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__type(key, struct lpm_key);
	__type(value, __u32);
} prefixes SEC(".maps");

/* listeners that sk_lookup hands connections to, by a number */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u64);
} listeners SEC(".maps");

const volatile __u32 redirected_port = 0;
const volatile __u64 wide_constant = 0;
const volatile __u8 verdict = 1;

__u64 emitted = 0;
__u64 dropped = 0;
__u32 denied_port = 17;
__u64 wake_flags = 0;

static __always_inline void count(__u32 index)
{
	__u64 *value = bpf_map_lookup_elem(&runs, &index);

	if (value)
		*value += 1;
}

/* Writes one event per run; returns the constants, to be seen by a test run. */
SEC("tc")
int emit(struct __sk_buff *skb)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	(void)skb;
	count(0);
	if (!event) {
		__sync_fetch_and_add(&dropped, 1);
		return -1;
	}
	event->sequence = __sync_fetch_and_add(&emitted, 1);
	event->kind = 7;
	event->pad = 0;
	bpf_ringbuf_submit(event, wake_flags);
	return verdict;
}

/* Denies IPv4 connections to one port. */
SEC("cgroup/connect4")
int connect4_one(struct bpf_sock_addr *ctx)
{
	count(1);
	return bpf_ntohs(ctx->user_port) == denied_port ? 0 : 1;
}

/* The same in the other sense, for link updates. */
SEC("cgroup/connect4")
int connect4_two(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	count(2);
	return 1;
}

/* Hands connections to redirected_port to the listener of this program's constant. */
SEC("sk_lookup")
int lookup(struct bpf_sk_lookup *ctx)
{
	__u64 key = PATCHED_CONSTANT;
	struct bpf_sock *socket;
	long failed;

	if (ctx->local_port != redirected_port)
		return SK_PASS;
	socket = bpf_map_lookup_elem(&listeners, &key);
	if (!socket)
		return SK_DROP;
	failed = bpf_sk_assign(ctx, socket, 0);
	bpf_sk_release(socket);
	count(3);
	return failed ? SK_DROP : SK_PASS;
}

SEC("sk_msg")
int message(struct sk_msg_md *msg)
{
	(void)msg;
	return SK_PASS;
}

/* Returns the 64-bit constant's low half. */
SEC("tc")
int wide(struct __sk_buff *skb)
{
	(void)skb;
	return (int)(wide_constant >> 32);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
