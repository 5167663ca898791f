/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_LISTENER_H
#define MR_LIB_LISTENER_H

#include "lib/count.bpf.h"
#include "lib/event.bpf.h"
#include "lib/identity.bpf.h"
#include "lib/pod.bpf.h"
#include "lib/tuple.bpf.h"

/*
 * listen(): the proxy's sockets on its ports become known without anybody
 * telling. A socket of somebody else on these ports is reported and never used:
 * an application cannot take the proxy's place by being first.
 */
static __always_inline void mr_on_listen(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_netns_cookie(ops);
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	struct mr_listener_key key = { .cookie = cookie, .port = ops->local_port };
	struct bpf_sock *sk = ops->sk;
	struct mr_address local;
	struct mr_owner owner;
	long err = -1;

	if (!pod || !sk)
		return;
	if (!mr_is_proxy_port(pod, ops->local_port))
		return;
	if (!mr_tcp_owner(sk, &owner))
		return;
	local = mr_ops_local(ops);
	/* an IPv6 socket at ::ffff:127.0.0.1 serves IPv4 alone */
	key.family = mr_is_ipv4(&local) ? 4 : 6;
	if (!mr_is_proxy(pod, &owner)) {
		mr_count(MR_COUNT_LISTENER_FOREIGN);
		mr_emit(MR_EVENT_LISTENER_FOREIGN, cookie, 0, owner.uid, &local, key.port,
			key.family);
		return;
	}
	if (mr_is_wildcard(&local)) {
		bpf_map_delete_elem(&mr_listener_addrs, &key);
	} else {
		struct mr_listener_addr value;

		mr_store(value.addr, &local);
		bpf_map_update_elem(&mr_listener_addrs, &key, &value, BPF_ANY);
	}
	for (int i = 0; i < MR_SIZE_LISTENER_SLOTS; i++) {
		key.slot = i;
		err = bpf_sock_hash_update(ops, &mr_listeners, &key, BPF_NOEXIST);
		if (!err)
			break;
	}
	/*
	 * All slots are taken: by its siblings, when any of them will do, or by a proxy
	 * that is about to leave. So the newest is always among them.
	 */
	if (err == -17) {
		key.slot = bpf_get_prandom_u32() % MR_SIZE_LISTENER_SLOTS;
		err = bpf_sock_hash_update(ops, &mr_listeners, &key, BPF_ANY);
	}
	if (err)
		mr_count(MR_COUNT_ERROR_LISTENER);
	mr_count(MR_COUNT_LISTENER_ADDED);
	mr_emit(MR_EVENT_LISTENER, cookie, 0, owner.uid, &local, key.port, key.family);
}

#endif
