/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_POD_H
#define MR_LIB_POD_H

#include "lib/address.bpf.h"
#include "lib/maps.bpf.h"

static __always_inline struct mr_range *mr_range_of(__u64 cookie, const struct mr_address *a)
{
	struct mr_range_key key = {
		.prefixlen = 32 + 64 + 128,
		.family = mr_is_ipv4(a) ? 4 : 6,
		.cookie = cookie,
	};

	mr_store(key.addr, a);
	return bpf_map_lookup_elem(&mr_ranges, &key);
}

static __always_inline __u32 mr_range_flags_of(__u64 cookie, const struct mr_address *a)
{
	struct mr_range *range = mr_range_of(cookie, a);

	return range ? range->flags : 0;
}

static __always_inline __u32 mr_port_flags_of(__u64 cookie, __u16 port)
{
	struct mr_port_key key = { .cookie = cookie, .port = port };
	struct mr_port *value = bpf_map_lookup_elem(&mr_ports, &key);

	return value ? value->flags : 0;
}

/* whether an address is the pod's own; its first ones are known without looking */
static __always_inline int mr_is_own(const struct mr_pod *pod, __u64 cookie,
				     const struct mr_address *a)
{
	struct mr_address first = mr_load(mr_is_ipv4(a) ? pod->addr4 : pod->addr6);

	return mr_is_same(a, &first) || mr_is_loopback(a) ||
	       (mr_range_flags_of(cookie, a) & MR_RANGE_LOCAL);
}

/* index 0 is no interface, and 0 fills the unused places */
static __always_inline int mr_is_listed(const __u32 *interfaces, __u32 index)
{
	if (!index)
		return 0;
	for (int i = 0; i < MR_SIZE_INTERFACES; i++) {
		if (interfaces[i] == index)
			return 1;
	}
	return 0;
}

/* the ports on which the proxy waits for what connect() has rewritten */
static __always_inline int mr_is_proxy_port(const struct mr_pod *pod, __u16 port)
{
	return port == pod->outbound_port || port == pod->inbound_port ||
	       ((pod->flags & MR_POD_DNS) && port == pod->dns_port);
}

#endif
