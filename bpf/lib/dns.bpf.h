/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_DNS_H
#define MR_LIB_DNS_H

#include "lib/address.bpf.h"
#include "lib/count.bpf.h"
#include "lib/maps.bpf.h"

#define MR_DNS_TRIES 4

/*
 * The address of the spread that stands for a name server, registered so that the
 * answer can be given the server's own address again. Two servers of one hash
 * (one pair in eight million) take the next place. Returns 0 when there is none.
 */
static __always_inline int mr_dns_spread(const struct mr_pod *pod, __u64 cookie,
					 const struct mr_address *server, struct mr_address *spread)
{
	struct mr_dns_server_key key = { .cookie = cookie };
	struct mr_dns_server value;

	mr_store(value.addr, server);
	for (__u16 i = 0; i < MR_DNS_TRIES; i++) {
		struct mr_dns_server *known;
		struct mr_address taken;

		if (mr_is_ipv4(server))
			*spread = mr_spread4(server, i);
		else
			*spread = mr_spread6(server, i);
		mr_store(key.addr, spread);
		known = bpf_map_lookup_elem(&mr_dns_servers, &key);
		if (!known)
			return !bpf_map_update_elem(&mr_dns_servers, &key, &value, BPF_ANY);
		taken = mr_load(known->addr);
		if (mr_is_same(&taken, server))
			return 1;
	}
	mr_count(MR_COUNT_ERROR_DNS_PORT);
	return 0;
}

/* The name server that an address of the spread stands for; 0 if for none. */
static __always_inline int mr_dns_server_at(__u64 cookie, struct mr_address *addr)
{
	struct mr_dns_server_key key = { .cookie = cookie };
	struct mr_dns_server *server;

	mr_store(key.addr, addr);
	server = bpf_map_lookup_elem(&mr_dns_servers, &key);
	if (!server)
		return 0;
	*addr = mr_load(server->addr);
	return 1;
}

#endif
