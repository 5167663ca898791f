/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_IDENTITY_H
#define MR_LIB_IDENTITY_H

#include <bpf/bpf_core_read.h>

#include "lib/kernel.bpf.h"
#include "lib/maps.bpf.h"

/*
 * Who a socket belongs to is decided when it is created, as xt_owner does
 * (sk_socket->file->f_cred): file system ids, in kernel terms. A later setuid()
 * or a passed descriptor changes nothing. Ids are compared as kernel ids; user
 * space has translated the pod's ids through its user namespace.
 */
static __always_inline void mr_stamp(struct mr_socket *s)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	const struct cred *cred = BPF_CORE_READ(task, cred);

	s->uid = BPF_CORE_READ(cred, fsuid.val);
	s->gid = BPF_CORE_READ(cred, fsgid.val);
	s->flags |= MR_SOCKET_STAMPED;
}

static __always_inline int mr_has_uid(const struct mr_pod *pod, __u32 uid)
{
	for (int i = 0; i < MR_SIZE_OWNERS; i++) {
		if (i >= pod->uid_count)
			break;
		if (pod->uids[i] == uid)
			return 1;
	}
	return 0;
}

static __always_inline int mr_has_gid(const struct mr_pod *pod, __u32 gid)
{
	for (int i = 0; i < MR_SIZE_OWNERS; i++) {
		if (i >= pod->gid_count)
			break;
		if (pod->gids[i] == gid)
			return 1;
	}
	return 0;
}

static __always_inline int mr_is_proxy(const struct mr_pod *pod, const struct mr_socket *s)
{
	return mr_has_uid(pod, s->uid) || mr_has_gid(pod, s->gid);
}

#endif
