/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_DIRECT_H
#define MR_LIB_DIRECT_H

#include "lib/pod.bpf.h"
#include "lib/tuple.bpf.h"

/*
 * Two pods that both want it (MR_POD_DIRECT) speak without their proxies. The server's
 * side cannot tell by addresses whether the application or the proxy calls, and an
 * address can be forged; so the client's connect() leaves a note under the tuple, which
 * only the kernel writes.
 */
static __always_inline int mr_is_direct_pod(__u64 cookie, const struct mr_address *dst)
{
	__u64 *other = bpf_map_lookup_elem(&mr_pod_addresses, dst);
	struct mr_pod *pod;

	if (!other || *other == cookie)
		return 0;
	pod = bpf_map_lookup_elem(&mr_pods, other);
	return pod && (pod->flags & MR_POD_DIRECT);
}

/* Before the SYN. A tuple that is used again for another kind of connection takes the old note away. */
static __always_inline void mr_note_direct(struct bpf_sock_ops *ops, int direct)
{
	struct mr_tuple key = mr_client_tuple(ops, 0);
	__u32 yes = 1;

	if (direct)
		bpf_map_update_elem(&mr_direct, &key, &yes, BPF_ANY);
	else
		bpf_map_delete_elem(&mr_direct, &key);
}

/* At the server's end, when the SYN arrives. */
static __always_inline int mr_was_noted(const struct mr_address *client, __u16 client_port,
					const struct mr_address *server, __u16 server_port)
{
	struct mr_tuple key = { .sport = client_port, .dport = server_port };

	mr_store(key.src, client);
	mr_store(key.dst, server);
	return !!bpf_map_lookup_elem(&mr_direct, &key);
}

#endif
