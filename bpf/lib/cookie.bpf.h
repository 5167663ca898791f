/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_COOKIE_H
#define MR_LIB_COOKIE_H

#include <linux/types.h>

/*
 * There is no helper that tells sk_lookup (checked on 6.18) or tc (before 6.15)
 * its network namespace, and addresses may be the same in two pods. So every pod
 * gets its own copy of such a program, in which user space has replaced this
 * constant by the pod's cookie.
 */
static __always_inline __u64 mr_own_cookie(void)
{
	__u64 cookie;

	asm volatile("%[cookie] = 0x6d696c6c72616365 ll" : [cookie] "=r"(cookie));
	return cookie;
}

#endif
