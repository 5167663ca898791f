// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/sock_create: who made this socket; a TCP socket tells later by itself. */
#include "lib/connect.bpf.h"

SEC("cgroup/sock_create")
int mr_sock_create(struct bpf_sock *sk)
{
	struct mr_pod *pod;
	struct mr_socket *s;
	__u64 cookie;

	if (sk->protocol == IPPROTO_TCP ||
	    (sk->type != MR_SOCK_STREAM && sk->type != MR_SOCK_DGRAM))
		return MR_ALLOW;
	cookie = bpf_get_netns_cookie(sk);
	pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	if (!pod || (sk->type == MR_SOCK_DGRAM && !(pod->flags & MR_POD_DNS)))
		return MR_ALLOW;
	s = bpf_sk_storage_get(&mr_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s) {
		mr_count(MR_COUNT_ERROR_STORAGE);
		return MR_REFUSE;
	}
	mr_stamp(s);
	return MR_ALLOW;
}
