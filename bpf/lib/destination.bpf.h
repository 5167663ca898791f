/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_DESTINATION_H
#define MR_LIB_DESTINATION_H

#include "lib/address.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/pod.bpf.h"

#define MR_DESTINATION_TRIES 4
/* the golden ratio: far from one another, wherever the first one is */
#define MR_DESTINATION_STEP 0x9e3779b1u

/*
 * Redirected connections go to an address that stands for what was dialled, so
 * neither end has to remember anything: whoever asks for the original destination
 * is told what its address stands for. As long as the pod is there, an address
 * never stands for anything else.
 */
static __always_inline int mr_is_destination(const struct mr_destination *d,
					     const struct mr_address *addr, __u16 port)
{
	struct mr_address known = mr_load(d->addr);

	return d->port == port && mr_is_same(&known, addr);
}

static __always_inline int mr_add_destination(const struct mr_destination_key *key,
					      const struct mr_address *addr, __u16 port)
{
	__u32 *count = bpf_map_lookup_elem(&mr_destination_counts, &key->cookie);
	struct mr_destination value = { .port = port };
	struct mr_destination *known;

	if (!count || *count >= MR_SIZE_POD_DESTINATIONS)
		return 0;
	mr_store(value.addr, addr);
	if (!bpf_map_update_elem(&mr_destinations, key, &value, BPF_NOEXIST)) {
		__sync_fetch_and_add(count, 1);
		return 1;
	}
	/* full, or another CPU was faster: with the same destination, most likely */
	known = bpf_map_lookup_elem(&mr_destinations, key);
	return known && mr_is_destination(known, addr, port);
}

/*
 * Finds or assigns the address for a destination. Two destinations of one hash
 * take different places. Returns 0 when there is none; then the connection must be
 * remembered by itself.
 */
static __always_inline int mr_assign(__u64 cookie, const struct mr_address *addr, __u16 port,
				     struct mr_address *to)
{
	struct mr_destination_key key = { .cookie = cookie };
	__u32 hash = mr_hash(addr, port);

	for (int i = 0; i < MR_DESTINATION_TRIES; i++) {
		struct mr_destination *known;

		*to = mr_assigned(addr, hash);
		mr_store(key.addr, to);
		known = bpf_map_lookup_elem(&mr_destinations, &key);
		if (!known)
			return mr_add_destination(&key, addr, port);
		if (mr_is_destination(known, addr, port))
			return 1;
		hash += MR_DESTINATION_STEP;
	}
	return 0;
}

/*
 * What an address and port of the proxy stand for: 1 and the destination, or 0 when
 * for nothing but themselves. Of a pod that was released (NULL) only the addresses
 * are known.
 */
static __always_inline int mr_stands_for(const struct mr_pod *pod, __u64 cookie,
					 struct mr_address *addr, __u16 *port)
{
	struct mr_destination_key key = { .cookie = cookie };
	struct mr_destination *known;

	if (!mr_is_assigned(addr) || (pod && !mr_is_proxy_port(pod, *port)))
		return 0;
	mr_store(key.addr, addr);
	known = bpf_map_lookup_elem(&mr_destinations, &key);
	if (!known)
		return 0;
	*addr = mr_load(known->addr);
	*port = known->port;
	return 1;
}

#endif
