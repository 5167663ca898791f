// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* One object of all programs, so that they share their maps and are loaded at once. */
#include "bind.bpf.c"
#include "connect.bpf.c"
#include "dns_nat.bpf.c"
#include "forward_nat.bpf.c"
#include "getpeername.bpf.c"
#include "getsockopt.bpf.c"
#include "policy.bpf.c"
#include "recvmsg.bpf.c"
#include "sendmsg.bpf.c"
#include "setsockopt.bpf.c"
#include "sk_lookup.bpf.c"
#include "sk_msg.bpf.c"
#include "sock_create.bpf.c"
#include "sockops.bpf.c"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
