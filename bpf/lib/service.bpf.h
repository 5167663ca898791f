/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_SERVICE_H
#define MR_LIB_SERVICE_H

#include "lib/address.bpf.h"
#include "lib/maps.bpf.h"

/* A random backend of the service at this address and port; 0 if there is none. */
static __always_inline int mr_translate(struct mr_address *addr, __u16 *port)
{
	struct mr_service_key key = { .port = *port, .protocol = 6 };
	struct mr_backend_key choice = {};
	struct mr_service *service;
	struct mr_backend *backend;

	mr_store(key.addr, addr);
	/* an update may take the old generation away between the two lookups; the service then names the new one */
	for (int i = 0; i < 3; i++) {
		struct mr_service now;

		service = bpf_map_lookup_elem(&mr_services, &key);
		if (!service)
			return 0;
		now = *service;
		if (!now.count)
			return 0;
		choice.generation = now.generation;
		choice.index = bpf_get_prandom_u32() % now.count;
		backend = bpf_map_lookup_elem(&mr_backends, &choice);
		if (!backend)
			continue;
		*addr = mr_load(backend->addr);
		*port = backend->port;
		return 1;
	}
	return 0;
}

#endif
