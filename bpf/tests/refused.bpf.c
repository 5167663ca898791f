// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A program that the verifier must refuse: it reads a packet without looking at its end. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int unchecked_read(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;

	return *(int *)(data + 4);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
