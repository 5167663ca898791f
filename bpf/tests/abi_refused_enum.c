// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* An enum whose value depends on the compiler's version in BTF: tools/generate-abi.mjs must refuse it. */
enum mr_signed {
	MR_SIGNED_LOW = -1,
	MR_SIGNED_HIGH = 1,
};

enum mr_signed mr_signed;
