/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_KERNEL_H
#define MR_LIB_KERNEL_H

#include <linux/types.h>

/*
 * The few kernel structures that the programs look into, with only the members
 * they read; CO-RE finds the real offsets at load. A generated vmlinux.h would
 * tie the build to one machine's kernel.
 */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	__u32 val;
} kgid_t;

struct cred {
	kuid_t fsuid;
	kgid_t fsgid;
};

struct task_struct {
	const struct cred *cred;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__s64 counter;
} atomic64_t;

struct file {
	const struct cred *f_cred;
	unsigned int f_flags;
};

struct socket {
	struct file *file;
};

struct sock_common {
	unsigned char skc_ipv6only : 1;
	unsigned long skc_flags;
	atomic64_t skc_cookie;
};

struct sock {
	struct sock_common __sk_common;
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
	int sk_rcvlowat;
	kuid_t sk_uid;
	struct socket *sk_socket;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 bytes_received;
	__u64 bytes_sent;
	__u64 bytes_retrans;
	__u32 rcv_nxt;
	__u32 snd_una;
	__u32 write_seq;
};

#pragma clang attribute pop

#endif
