/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_SETTINGS_H
#define MR_ABI_SETTINGS_H

#include <linux/types.h>

enum mr_acceleration {
	/* no socket joins, and those that have go by TCP */
	MR_ACCELERATION_OFF = 0,
	MR_ACCELERATION_ON = 1,
	/* for the pods of the agent's self-test alone */
	MR_ACCELERATION_SELF_TEST = 2,
};

/* What holds for the whole node and changes while it runs. One row, written by the agent. */
struct mr_settings {
	/* enum mr_acceleration */
	__u32 accelerate;
	/* moves with every change of ipcache, subjects or policy: older verdicts are asked for again */
	__u32 policy_epoch;
	/* enum mr_aggregation */
	__u32 aggregation;
	/* events of each source that the ring of flows takes within a second; 0: all */
	__u32 flow_limit;
	/* connections are told when they open and when they close; 0: they are not */
	__u32 connections;
	__u32 pad;
};
_Static_assert(sizeof(struct mr_settings) == 24, "struct mr_settings is ABI");

#endif
