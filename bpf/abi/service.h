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

#endif
