/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_IDENTITY_H
#define MR_LIB_IDENTITY_H

#include <bpf/bpf_core_read.h>

#include "lib/kernel.bpf.h"
#include "lib/maps.bpf.h"

/* An id that no configuration can name. */
#define MR_NOBODY 0xffffffff

/*
 * Who a socket belongs to is decided when it is created: file system ids, in
 * kernel terms. A later setuid() or a passed descriptor changes nothing. Ids are
 * compared as kernel ids; user space has translated the pod's ids through its
 * user namespace.
 */
struct mr_owner {
	__u32 uid;
	__u32 gid;
};

/*
 * The owner of a TCP socket's file, which is whom xt_owner asks for. A socket
 * without a file is the kernel's own and belongs to nobody. Returns 0 for a socket
 * of another protocol.
 */
static __always_inline int mr_tcp_owner(void *sk, struct mr_owner *owner)
{
	struct tcp_sock *tcp = (void *)bpf_skc_to_tcp_sock(sk);
	struct socket *socket;
	struct file *file;

	if (!tcp)
		return 0;
	owner->uid = MR_NOBODY;
	owner->gid = MR_NOBODY;
	socket = tcp->inet_conn.icsk_inet.sk.sk_socket;
	file = socket ? socket->file : NULL;
	if (file) {
		owner->uid = file->f_cred->fsuid.val;
		owner->gid = file->f_cred->fsgid.val;
	}
	return 1;
}

/* The same for other sockets, while the task that makes one is at it. */
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

static __always_inline int mr_is_proxy(const struct mr_pod *pod, const struct mr_owner *owner)
{
	return mr_has_uid(pod, owner->uid) || mr_has_gid(pod, owner->gid);
}

#endif
