// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* sockops: the original destination changes hands; the proxy's listeners become known; sockets join the acceleration; connections are told. */
#include "lib/connection-flow.bpf.h"
#include "lib/direct.bpf.h"
#include "lib/handover.bpf.h"
#include "lib/join.bpf.h"
#include "lib/listener.bpf.h"

/* Pods that are joined to others leave a note for each connection, or take away the one of an earlier one. */
static __always_inline void mr_follow_direct(struct bpf_sock_ops *ops, const struct mr_socket *s)
{
	__u64 cookie = bpf_get_netns_cookie(ops);
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);

	if (pod && (pod->flags & MR_POD_DIRECT))
		mr_note_direct(ops, s && (s->flags & MR_SOCKET_DIRECT));
}

/* Before the SYN: ports are chosen, so the connection has its name. */
static __always_inline void mr_on_connect(struct bpf_sock_ops *ops)
{
	struct mr_address remote = mr_ops_remote(ops);
	struct mr_origin value = {};
	struct bpf_sock *sk = ops->sk;
	struct mr_socket *s;
	struct mr_tuple key;
	long err;

	/* the address says it all */
	if (mr_is_assigned(&remote) || !sk)
		return;
	s = bpf_sk_storage_get(&mr_sockets, sk, 0, 0);
	mr_follow_direct(ops, s);
	if (!s || !(s->flags & MR_SOCKET_REDIRECTED))
		return;
	key = mr_client_tuple(ops, bpf_get_netns_cookie(ops));
	__builtin_memcpy(value.addr, s->origin, 16);
	value.port = s->origin_port;
	err = mr_put_handover(&key, &value);
	if (err) {
		struct mr_address origin = mr_load(s->origin);
		struct mr_owner owner = { MR_NOBODY, MR_NOBODY };

		/* the proxy will see its own address as destination, which it refuses: closed, not bypassed */
		mr_count(MR_COUNT_ERROR_HANDOVER);
		mr_tcp_owner(sk, &owner);
		mr_emit(MR_EVENT_HANDOVER_FULL, key.cookie, -err, owner.uid, &origin,
			s->origin_port, 0);
		return;
	}
	/* beside what programs of others have asked for */
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* The proxy's end is established, before accept() can return it. */
static __always_inline void mr_on_accept(struct bpf_sock_ops *ops)
{
	struct mr_address local = mr_ops_local(ops);
	struct bpf_sock *sk = ops->sk;
	struct mr_origin *origin;
	struct mr_socket *s;
	struct mr_tuple key;
	struct mr_pod *pod;
	int forwarded;
	__u64 cookie;

	/* the address says it all */
	if (mr_is_assigned(&local) || !sk)
		return;
	cookie = bpf_get_netns_cookie(ops);
	pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	if (!pod || !mr_is_proxy_port(pod, ops->local_port))
		return;
	key = mr_server_tuple(ops, cookie);
	origin = bpf_map_lookup_elem(&mr_handovers, &key);
	forwarded = !origin;
	if (forwarded)
		origin = bpf_map_lookup_elem(&mr_forward_origins, &key);
	if (!origin)
		return;
	s = bpf_sk_storage_get(&mr_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (s) {
		s->flags = MR_SOCKET_ACCEPTED;
		s->origin_port = origin->port;
		__builtin_memcpy(s->origin, origin->addr, 16);
		mr_count(MR_COUNT_ORIGIN_HANDED_OVER);
	} else {
		mr_count(MR_COUNT_ERROR_STORAGE);
	}
	if (forwarded)
		bpf_map_delete_elem(&mr_forward_origins, &key);
	else
		mr_drop_handover(&key);
}

/* A connection that nobody accepted (refused, timed out) takes its entry with it; one that was accelerated its row. */
static __always_inline void mr_on_state(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct mr_sending *sending = sk ? bpf_sk_storage_get(&mr_sendings, sk, 0, 0) : NULL;
	struct mr_tuple key;

	if (sending)
		mr_leave(ops, sk, sending);
	else if (ops->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_RTT_CB_FLAG)
		mr_learn_reader(ops);

	if (ops->args[1] != BPF_TCP_CLOSE)
		return;
	if (mr_tells_connections())
		mr_on_close(ops);
	key = mr_client_tuple(ops, bpf_get_netns_cookie(ops));
	mr_drop_handover(&key);
}

SEC("sockops")
int mr_sockops(struct bpf_sock_ops *ops)
{
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		mr_on_connect(ops);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		mr_on_accept(ops);
		if (mr_accelerates(1))
			mr_join(ops);
		if (mr_tells_connections())
			mr_on_open(ops, MR_INGRESS);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		if (mr_accelerates(1))
			mr_join(ops);
		if (mr_tells_connections())
			mr_on_open(ops, MR_EGRESS);
		break;
	case BPF_SOCK_OPS_RTT_CB:
		mr_learn_reader(ops);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		mr_on_state(ops);
		break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		mr_on_listen(ops);
		mr_meet_listener(ops);
		break;
	}
	return 1;
}
