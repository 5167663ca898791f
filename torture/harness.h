/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TORTURE_HARNESS_H
#define TORTURE_HARNESS_H

#include <stdatomic.h>
#include "torture.h"

struct torture_text {
	size_t length;
	char bytes[65536];
};

struct torture_shared {
	atomic_uint met[2];
	atomic_int failed;
	atomic_ushort port;
	_Atomic uint64_t places[16];
	struct torture_text text[2];
};

/* Parses an address of either family into the end. */
void torture_address(struct torture_end *end, const char *text);

/* The connection of a case that does not make its own. */
void torture_connect(struct torture_end *end, int cold);

#endif
