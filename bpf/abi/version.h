/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_ABI_VERSION_H
#define MR_ABI_VERSION_H

/*
 * The layout of every pinned map together. A change that an older agent's maps
 * cannot hold takes the next number; an agent that finds another number refuses
 * to adopt (ABI_MISMATCH).
 */
enum mr_abi {
	MR_ABI_VERSION = 1,
};

/* Sizes of the maps: how much one node can hold. */
enum mr_size {
	MR_SIZE_PODS = 1024,
	MR_SIZE_RANGES = 131072,
	MR_SIZE_PORTS = 65536,
	MR_SIZE_GROUPS = 65536,
	MR_SIZE_HANDOVERS = 131072,
	/* what one pod may have of them, so that no pod can take all */
	MR_SIZE_POD_HANDOVERS = 8192,
	MR_SIZE_DESTINATIONS = 262144,
	/* what one pod may have of them; what it dials beyond that is handed over connection by connection */
	MR_SIZE_POD_DESTINATIONS = 16384,
	MR_SIZE_LISTENERS = 16384,
	MR_SIZE_SERVICES = 16384,
	MR_SIZE_BACKENDS = 131072,
	MR_SIZE_AFFINITIES = 65536,
	MR_SIZE_DIRECT = 32768,
	/* backends of a service that one connection looks at, one after another */
	MR_SIZE_BACKEND_WALK = 32,
	MR_SIZE_FORWARDS = 65536,
	MR_SIZE_DNS_SERVERS = 16384,
	MR_SIZE_DNS_QUERIES = 65536,
	MR_SIZE_EVENTS_BYTES = 262144,
	MR_SIZE_OWNERS = 8,
	MR_SIZE_INTERFACES = 8,
	MR_SIZE_LISTENER_SLOTS = 4,
	/* events of one kind that one pod may send within a second */
	MR_SIZE_POD_EVENTS = 32,
	MR_SIZE_IPCACHE = 131072,
	MR_SIZE_SUBJECTS = 65536,
	MR_SIZE_POLICY_ROWS = 1048576,
	MR_SIZE_CONNECTIONS = 131072,
	MR_SIZE_OPENING = 32768,
	MR_SIZE_FRAGMENTS = 8192,
	MR_SIZE_FLOWS_BYTES = 4194304,
	MR_SIZE_ACCELERATED = 131072,
	MR_SIZE_READERS = 16384,
	MR_SIZE_POD_ADDRESSES = 8192,
	/* bytes in the receiver's queue above which a direction goes back to TCP, whose window then holds the sender */
	MR_SIZE_ACCELERATED_QUEUE = 1048576,
	/* so many messages to a proxy in a row, each below so many bytes, none answered, are a stream, which TCP bundles */
	MR_SIZE_UNANSWERED = 32,
	MR_SIZE_BUNDLED_BELOW = 16384,
	/* how often a sender looks for an other end that never joined */
	MR_SIZE_PEER_LOOKUPS = 16,
};

#endif
