/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_COUNT_H
#define MR_LIB_COUNT_H

#include "lib/maps.bpf.h"

static __always_inline void mr_count_many(__u32 counter, __u64 count)
{
	__u64 *value = bpf_map_lookup_elem(&mr_counters, &counter);

	if (value)
		*value += count;
}

static __always_inline void mr_count(__u32 counter)
{
	mr_count_many(counter, 1);
}

#endif
