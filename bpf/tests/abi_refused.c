// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A struct that user space cannot share: tools/generate-abi.mjs must refuse it. */
#include <linux/types.h>

struct mr_bits {
	__u32 low : 3;
	__u32 high : 29;
};

struct mr_bits mr_bits;
