/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_SERVICE_H
#define MR_ABI_SERVICE_H

#include <linux/types.h>

struct mr_service_key {
	__u8 addr[16];
	__u16 port;
	__u16 protocol;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_service_key) == 24, "struct mr_service_key is ABI");

/* A service points at a generation of backends, so that an update is one write. */
struct mr_service {
	__u32 generation;
	__u32 count;
	/* sessionAffinity: ClientIP; seconds for which a pod keeps its backend; 0: none */
	__u32 affinity;
	__u32 pad;
};

struct mr_backend_key {
	__u32 generation;
	__u32 index;
};

struct mr_backend {
	__u8 addr[16];
	__u16 port;
	__u16 pad;
	__u32 pad2;
};
_Static_assert(sizeof(struct mr_backend) == 24, "struct mr_backend is ABI");

/* pod, service -> the backend that it keeps. A pod is one client: its namespace stands for its addresses. */
struct mr_affinity_key {
	__u64 cookie;
	struct mr_service_key service;
};
_Static_assert(sizeof(struct mr_affinity_key) == 32, "struct mr_affinity_key is ABI");

struct mr_affinity {
	struct mr_backend backend;
	/* CLOCK_MONOTONIC of the last connection */
	__u64 used_ns;
};
_Static_assert(sizeof(struct mr_affinity) == 32, "struct mr_affinity is ABI");

#endif
