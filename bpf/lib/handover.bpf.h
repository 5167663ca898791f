/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_HANDOVER_H
#define MR_LIB_HANDOVER_H

#include "lib/maps.bpf.h"

#define MR_EEXIST 17
#define MR_EDQUOT 122

/*
 * Entries of the table of original destinations, counted by pod: connections that
 * a proxy never accepts would otherwise fill it for everybody. Returns 0 or a
 * negative errno.
 */
static __always_inline long mr_put_handover(const struct mr_tuple *key,
					    const struct mr_origin *value)
{
	struct mr_usage *usage = bpf_map_lookup_elem(&mr_usage, &key->cookie);
	long err;

	if (usage && (__s32)usage->handovers >= MR_SIZE_POD_HANDOVERS)
		return -MR_EDQUOT;
	err = bpf_map_update_elem(&mr_handovers, key, value, BPF_NOEXIST);
	if (err == -MR_EEXIST)
		return bpf_map_update_elem(&mr_handovers, key, value, BPF_ANY);
	if (!err && usage)
		__sync_fetch_and_add(&usage->handovers, 1);
	return err;
}

static __always_inline void mr_drop_handover(const struct mr_tuple *key)
{
	struct mr_usage *usage;

	if (bpf_map_delete_elem(&mr_handovers, key))
		return;
	usage = bpf_map_lookup_elem(&mr_usage, &key->cookie);
	if (usage)
		__sync_fetch_and_add(&usage->handovers, -1);
}

#endif
