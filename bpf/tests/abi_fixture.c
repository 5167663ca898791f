// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Every shape that tools/generate-abi.mjs knows, for its tests. Never loaded. */
#include <linux/types.h>

enum mr_fruit_flags {
	MR_FRUIT_APPLE = 1 << 0,
	MR_FRUIT_APPLE_RED = 1 << 1,
	MR_FRUIT_PEAR = 1 << 30,
};

enum mr_level {
	MR_LEVEL_LOW = 0,
	MR_LEVEL_HIGH = 1,
};

enum mr_single {
	MR_SINGLE_ANSWER = 42,
};

struct mr_inner {
	__be16 port;
	__u16 pad;
	__be32 address;
};

struct mr_every_shape {
	__u64 wide;
	__s64 signed_wide;
	__be64 wide_be;
	__s32 signed_word;
	__u16 half;
	__u8 byte;
	__s8 signed_byte;
	struct mr_inner inner;
	struct mr_inner list[2];
	__u8 bytes[6];
	__be16 ports[3];
	__u32 pad2;
	enum mr_level level;
	__u64 wides[2];
};

enum mr_fruit_flags mr_fruit_flags;
enum mr_single mr_single;
struct mr_every_shape mr_every_shape;
