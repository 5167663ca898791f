/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_SERVICE_H
#define MR_LIB_SERVICE_H

#include "lib/address.bpf.h"
#include "lib/maps.bpf.h"

#define MR_NS_PER_SECOND 1000000000ull

static __always_inline struct mr_service_key mr_service_key_of(const struct mr_address *addr,
							       __u16 port)
{
	struct mr_service_key key = { .port = port, .protocol = 6 };

	mr_store(key.addr, addr);
	return key;
}

/* Whether the service has this backend now. One with more than can be looked at is taken to have it. */
static __always_inline int mr_has_backend(const struct mr_service *service,
					  const struct mr_backend *wanted)
{
	struct mr_backend_key at = { .generation = service->generation };

	if (service->count > MR_SIZE_BACKEND_WALK)
		return 1;
	for (int i = 0; i < MR_SIZE_BACKEND_WALK && at.index < service->count; i++, at.index++) {
		struct mr_backend *backend = bpf_map_lookup_elem(&mr_backends, &at);
		struct mr_address there, kept;

		if (!backend || backend->port != wanted->port)
			continue;
		there = mr_load(backend->addr);
		kept = mr_load(wanted->addr);
		if (mr_is_same(&there, &kept))
			return 1;
	}
	return 0;
}

/* A random backend. Returns 0 when the service has none. */
static __always_inline int mr_choose_backend(const struct mr_service_key *key,
					     struct mr_backend *backend)
{
	/* an update may take the old generation away between the two lookups; the service then names the new one */
	for (int i = 0; i < 3; i++) {
		struct mr_service *service = bpf_map_lookup_elem(&mr_services, key);
		struct mr_backend_key at;
		struct mr_backend *found;
		__u32 count;

		if (!service)
			return 0;
		/* generation and count are of one state: a row is replaced, not changed */
		at.generation = service->generation;
		count = service->count;
		if (!count)
			return 0;
		at.index = bpf_get_prandom_u32() % count;
		found = bpf_map_lookup_elem(&mr_backends, &at);
		if (!found)
			continue;
		*backend = *found;
		return 1;
	}
	return 0;
}

/* The backend that this pod had last, if it is still to be kept. */
static __always_inline int mr_keep_backend(const struct mr_affinity_key *key,
					   const struct mr_service *service,
					   struct mr_backend *backend)
{
	struct mr_affinity *kept = bpf_map_lookup_elem(&mr_affinities, key);
	__u64 now = bpf_ktime_get_ns();

	if (!kept || now - kept->used_ns > service->affinity * MR_NS_PER_SECOND)
		return 0;
	*backend = kept->backend;
	if (!mr_has_backend(service, backend))
		return 0;
	kept->used_ns = now;
	return 1;
}

/*
 * A backend of the service at this address and port, random or the one that the pod
 * keeps; 0 if there is none. A function that the verifier looks at once.
 */
__noinline int mr_translate(__u64 cookie, struct mr_address *addr, __u16 *port)
{
	struct mr_affinity_key key = { .cookie = cookie };
	struct mr_affinity choice = {};
	struct mr_service *service;

	if (!addr || !port)
		return 0;
	key.service = mr_service_key_of(addr, *port);
	service = bpf_map_lookup_elem(&mr_services, &key.service);
	if (!service)
		return 0;
	if (service->affinity && mr_keep_backend(&key, service, &choice.backend))
		goto chosen;
	if (!mr_choose_backend(&key.service, &choice.backend))
		return 0;
	choice.used_ns = bpf_ktime_get_ns();
	if (service->affinity)
		bpf_map_update_elem(&mr_affinities, &key, &choice, BPF_ANY);
chosen:
	*addr = mr_load(choice.backend.addr);
	*port = choice.backend.port;
	return 1;
}

#endif
