/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_CONNECTION_FLOW_H
#define MR_LIB_CONNECTION_FLOW_H

#include <linux/in.h>

#include "lib/destination.bpf.h"
#include "lib/flow-event.bpf.h"
#include "lib/join.bpf.h"
#include "lib/service.bpf.h"

/* enum sock_flags of include/net/sock.h: the other end has sent its FIN */
#define MR_SOCK_DONE 1

/* A connection as one of its ends tells of it. */
struct mr_told {
	struct mr_address src;
	struct mr_address dst;
	/* what the application dialled, where that is not where it went */
	struct mr_address origin;
	__u16 sport;
	__u16 dport;
	__u16 origin_port;
	__u16 pad;
};

static __always_inline int mr_tells_connections(void)
{
	const struct mr_settings *settings = mr_settings_row();

	return settings && settings->connections;
}

static __always_inline int mr_is_local_hop(const struct mr_address *a)
{
	return mr_is_loopback(a) || mr_is_spread(a);
}

/* What the application dialled instead of the address it was sent to; 0 where that is the same. */
static __always_inline int mr_find_origin(const struct mr_pod *pod, __u64 cookie,
					  const struct mr_socket *s, struct mr_told *t)
{
	struct mr_address addr = t->dst;
	__u16 port = t->dport;

	if (s && (s->flags & MR_SOCKET_REDIRECTED)) {
		addr = mr_load(s->origin);
		port = s->origin_port;
	} else if (!mr_stands_for(pod, cookie, &addr, &port)) {
		return 0;
	}
	t->origin = addr;
	t->origin_port = port;
	return 1;
}

/*
 * Every connection is told once, by the pod that opened it, or, where a client from
 * elsewhere did, by the pod that accepted it. What a proxy and its application say
 * to each other inside of their pod is part of a connection that is told already;
 * the application's way to its proxy carries what was dialled, and is told.
 */
__noinline int mr_is_told(struct bpf_sock_ops *ops, struct mr_told *t, __u32 direction)
{
	__u64 cookie = bpf_get_netns_cookie(ops);
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	struct bpf_sock *sk = ops->sk;
	struct mr_tuple tuple;
	__u64 *other;

	if (!t || !pod || !sk)
		return 0;
	tuple = direction == MR_EGRESS ? mr_client_tuple(ops, cookie)
				       : mr_server_tuple(ops, cookie);
	t->src = mr_load(tuple.src);
	t->dst = mr_load(tuple.dst);
	t->sport = tuple.sport;
	t->dport = tuple.dport;
	if (direction == MR_EGRESS &&
	    mr_find_origin(pod, cookie, bpf_sk_storage_get(&mr_sockets, sk, 0, 0), t))
		return 1;
	if (mr_is_local_hop(&t->src) || mr_is_local_hop(&t->dst))
		return 0;
	other = bpf_map_lookup_elem(&mr_pod_addresses, direction == MR_EGRESS ? &t->dst : &t->src);
	return direction == MR_EGRESS ? !other || *other != cookie : !other;
}

/* Who is at both ends. The address of a service is nobody's. */
static __always_inline void mr_name_ends(struct mr_flow_event *e, const struct mr_told *t,
					 __u64 cookie)
{
	struct mr_endpoint *endpoint = bpf_map_lookup_elem(&mr_endpoints, &cookie);
	__u32 own = endpoint ? endpoint->identity : 0;
	struct mr_service_key key;

	if (e->direction == MR_INGRESS) {
		e->src_identity = mr_identity_of(&t->src);
		e->dst_identity = own;
		return;
	}
	e->src_identity = own;
	key = mr_service_key_of(&t->origin, t->origin_port);
	if (t->origin_port && bpf_map_lookup_elem(&mr_services, &key))
		return;
	e->dst_identity = mr_identity_of(t->origin_port ? &t->origin : &t->dst);
}

/* Payload alone, as the applications count it: without retransmissions, SYN and FIN. */
static __always_inline void mr_count_bytes(struct mr_flow_event *e, struct tcp_sock *tp,
					   const struct mr_sending *sending)
{
	__u64 received = tp->bytes_received;

	if (received && (tp->inet_conn.icsk_inet.sk.__sk_common.skc_flags & (1ul << MR_SOCK_DONE)))
		received--;
	e->bytes_sent = tp->bytes_sent - tp->bytes_retrans;
	e->bytes_received = received;
	if (!sending || !sending->bytes)
		return;
	e->bytes_sent += sending->bytes;
	e->bytes_accelerated = sending->bytes;
	e->flags |= MR_FLOW_ACCELERATED;
}

/*
 * An end of a connection is established (MR_FLOW_OPEN) or closed (MR_FLOW_CLOSE). Whole
 * functions, that the verifier looks at once and not with every path that leads here.
 */
__noinline int mr_write_connection(struct bpf_sock_ops *ops, const struct mr_told *t, __u32 type,
				   __u32 direction)
{
	__u64 cookie = bpf_get_netns_cookie(ops);
	struct mr_pod *pod = bpf_map_lookup_elem(&mr_pods, &cookie);
	struct bpf_sock *sk = ops->sk;
	struct mr_flow_event *e;
	struct mr_socket *s;
	struct tcp_sock *tp;

	/* nobody's connections are those of the self-test */
	if (!t || !pod || !sk || (pod->flags & MR_POD_SELF_TEST))
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	e = mr_flow_reserve(cookie);
	if (!e)
		return 0;
	e->direction = direction;
	e->type = type;
	e->protocol = IPPROTO_TCP;
	mr_store(e->src, &t->src);
	mr_store(e->dst, &t->dst);
	mr_store(e->origin, &t->origin);
	e->sport = t->sport;
	e->dport = t->dport;
	e->origin_port = t->origin_port;
	e->family = mr_is_ipv4(t->origin_port ? &t->origin : &t->dst) ? 4 : 6;
	if (t->origin_port)
		e->flags |= MR_FLOW_REDIRECTED;
	mr_name_ends(e, t, cookie);
	s = bpf_sk_storage_get(&mr_sockets, sk, 0, 0);
	if (s && (s->flags & MR_SOCKET_DIRECT))
		e->flags |= MR_FLOW_DIRECT;
	if (mr_is_of_proxy(pod, tp))
		e->flags |= MR_FLOW_OF_PROXY;
	if (type == MR_FLOW_CLOSE)
		mr_count_bytes(e, tp, bpf_sk_storage_get(&mr_sendings, sk, 0, 0));
	mr_flow_submit(e);
	return 0;
}

static __always_inline void mr_on_open(struct bpf_sock_ops *ops, __u32 direction)
{
	struct bpf_sock *sk = ops->sk;
	struct mr_told t = {};

	if (!sk || mr_is_below(sk) || !mr_is_told(ops, &t, direction))
		return;
	mr_want_callbacks(ops, BPF_SOCK_OPS_STATE_CB_FLAG);
	/* by this its end is known as that of who opened it */
	if (direction == MR_EGRESS && !mr_is_assigned(&t.dst))
		bpf_sk_storage_get(&mr_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	mr_write_connection(ops, &t, MR_FLOW_OPEN, direction);
}

/* The accepting end of an accelerated connection tells, too, what it sent past the stack. */
static __always_inline void mr_on_close(struct bpf_sock_ops *ops)
{
	struct mr_address remote = mr_ops_remote(ops);
	struct bpf_sock *sk = ops->sk;
	struct mr_sending *sending;
	struct mr_told t = {};
	struct mr_socket *s;
	__u32 direction;

	/* what was never established was never told */
	if (!sk || ops->args[0] == BPF_TCP_SYN_SENT || ops->args[0] == BPF_TCP_SYN_RECV)
		return;
	/* only connect() keeps something with a socket, but for the handed over origin of an accepted one */
	s = bpf_sk_storage_get(&mr_sockets, sk, 0, 0);
	direction = MR_INGRESS;
	if (mr_is_assigned(&remote) || (s && !(s->flags & MR_SOCKET_ACCEPTED)))
		direction = MR_EGRESS;
	sending = bpf_sk_storage_get(&mr_sendings, sk, 0, 0);
	if (mr_is_told(ops, &t, direction) || (sending && sending->bytes))
		mr_write_connection(ops, &t, MR_FLOW_CLOSE, direction);
}

#endif
