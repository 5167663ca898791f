// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The policy programs and the maps alone, for tests and measurements that need no other. */
#include "policy.bpf.c"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
