/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_DENIAL_H
#define MR_LIB_DENIAL_H

#include <linux/in.h>

#include "lib/flow-event.bpf.h"
#include "lib/service.bpf.h"
#include "lib/verdict.bpf.h"

/*
 * What policy says of a connection before it is made. A connection that is denied
 * further on must not end at the application's own proxy, which would accept it and
 * answer 503. This only chooses the way: the programs at the interfaces enforce, and
 * with nothing here nothing more would pass.
 */
__noinline int mr_judge_pair(__u32 from, const struct mr_address *to, __u16 port,
			     struct mr_verdict *decided)
{
	__u32 peer;

	if (!to || !decided)
		return 0;
	peer = mr_identity_of(to);
	*decided = mr_policy_verdict(from, peer, MR_EGRESS, IPPROTO_TCP, bpf_htons(port));
	if (!decided->verdict)
		*decided = mr_policy_verdict(peer, from, MR_INGRESS, IPPROTO_TCP, bpf_htons(port));
	return decided->verdict;
}

/*
 * Whether a pod of this identity may reach the address, or, where it is a service's,
 * any of its backends: 0, or a negative enum mr_drop. A service without backends, and
 * one with more than can be looked at, is the proxy's to judge. A function that the
 * verifier looks at once, not with every path that leads here.
 */
__noinline int mr_judge_connect(__u32 identity, const struct mr_address *dst, __u16 port,
				struct mr_verdict *decided)
{
	struct mr_backend_key at = {};
	struct mr_service *service;
	struct mr_service_key key;
	__u32 count;

	if (!dst || !decided)
		return 0;
	key = mr_service_key_of(dst, port);
	service = bpf_map_lookup_elem(&mr_services, &key);
	if (!service)
		return mr_judge_pair(identity, dst, port, decided);
	count = service->count;
	at.generation = service->generation;
	if (count > MR_SIZE_BACKEND_WALK)
		return 0;
	for (int i = 0; i < MR_SIZE_BACKEND_WALK && at.index < count; i++, at.index++) {
		struct mr_backend *backend = bpf_map_lookup_elem(&mr_backends, &at);
		struct mr_address addr;

		/* an update took them away: the next connection is judged by the new ones */
		if (!backend)
			return 0;
		addr = mr_load(backend->addr);
		if (!mr_judge_pair(identity, &addr, backend->port, decided))
			return 0;
	}
	return count ? decided->verdict : 0;
}

/* A connection that was refused before it had a packet is reported as if its first one had been dropped. */
static __always_inline void mr_tell_rejected(__u64 cookie, const struct mr_endpoint *endpoint,
					     const struct mr_address *src,
					     const struct mr_address *dst, __u16 port,
					     struct mr_verdict v)
{
	struct mr_flow_event *e = mr_flow_reserve(cookie);

	if (!e)
		return;
	mr_store(e->src, src);
	mr_store(e->dst, dst);
	e->src_identity = endpoint->identity;
	e->dst_identity = mr_identity_of(dst);
	e->dport = port;
	e->protocol = IPPROTO_TCP;
	e->tcp_flags = 0x02;
	e->family = mr_is_ipv4(dst) ? 4 : 6;
	e->direction = MR_EGRESS;
	e->type = MR_FLOW_DROP;
	e->subtype = -v.verdict;
	e->rule = v.rule;
	mr_flow_submit(e);
}

#endif
