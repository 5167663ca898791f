/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_MAPS_H
#define MR_LIB_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi/acceleration.h"
#include "abi/counters.h"
#include "abi/dns.h"
#include "abi/events.h"
#include "abi/forward.h"
#include "abi/pod.h"
#include "abi/service.h"
#include "abi/socket.h"
#include "abi/usage.h"
#include "abi/version.h"
#include "lib/policy-maps.bpf.h"

/* Every map is pinned under its name; an incompatible change is a new _vN. */

/* network namespace cookie -> pod */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_PODS);
	__type(key, __u64);
	__type(value, struct mr_pod);
} mr_pods SEC(".maps");

/* pod, address -> what the pod's configuration says of it */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MR_SIZE_RANGES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_range_key);
	__type(value, struct mr_range);
} mr_ranges SEC(".maps");

/* pod, port -> what the pod's configuration says of it */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_PORTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_port_key);
	__type(value, struct mr_port);
} mr_ports SEC(".maps");

/* pod, group -> listed */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_GROUPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_group_key);
	__type(value, struct mr_group);
} mr_groups SEC(".maps");

/* socket -> identity at creation, original destination */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mr_socket);
} mr_sockets SEC(".maps");

/* connection to the proxy -> original destination, from SYN until accepted */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_HANDOVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_tuple);
	__type(value, struct mr_origin);
} mr_handovers SEC(".maps");

/* address of the spread -> the destination that it is assigned to */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_DESTINATIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_destination_key);
	__type(value, struct mr_destination);
} mr_destinations SEC(".maps");

/* pod -> how many of them are its own */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_PODS);
	__type(key, __u64);
	__type(value, __u32);
} mr_destination_counts SEC(".maps");

/* pod -> its share of what all pods use */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_PODS);
	__type(key, __u64);
	__type(value, struct mr_usage);
} mr_usage SEC(".maps");

/* pod, proxy port -> the proxy's listening sockets */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, MR_SIZE_LISTENERS);
	__type(key, struct mr_listener_key);
	__type(value, __u64);
} mr_listeners SEC(".maps");

/* pod, proxy port (slot 0) -> the address it is bound to, if not the wildcard */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_LISTENERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_listener_key);
	__type(value, struct mr_listener_addr);
} mr_listener_addrs SEC(".maps");

/* virtual address and port -> generation of backends */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_SERVICES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_service_key);
	__type(value, struct mr_service);
} mr_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_BACKENDS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_backend_key);
	__type(value, struct mr_backend);
} mr_backends SEC(".maps");

/* pod, service -> the backend that it keeps */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_AFFINITIES);
	__type(key, struct mr_affinity_key);
	__type(value, struct mr_affinity);
} mr_affinities SEC(".maps");

/* connection between two pods, as its client sees it and without a cookie -> may bypass the proxies */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_DIRECT);
	__type(key, struct mr_tuple);
	__type(value, __u32);
} mr_direct SEC(".maps");

/* address of the spread -> name server; the least recently asked leave first */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_DNS_SERVERS);
	__type(key, struct mr_dns_server_key);
	__type(value, struct mr_dns_server);
} mr_dns_servers SEC(".maps");

/* query on lo -> port towards the resolver */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_DNS_QUERIES);
	__type(key, struct mr_dns_query_key);
	__type(value, struct mr_dns_query);
} mr_dns_queries SEC(".maps");

/* answer on lo -> who asked */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_DNS_QUERIES);
	__type(key, struct mr_dns_reply_key);
	__type(value, struct mr_dns_reply);
} mr_dns_replies SEC(".maps");

/* pod, interface -> its addresses */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_PORTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_interface_key);
	__type(value, struct mr_interface);
} mr_interfaces SEC(".maps");

/* forwarded connection -> how the proxy sees it */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_FORWARDS);
	__type(key, struct mr_tuple);
	__type(value, struct mr_forward);
} mr_forwards SEC(".maps");

/* and back */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_FORWARDS);
	__type(key, struct mr_forward_back_key);
	__type(value, struct mr_forward_back);
} mr_forwards_back SEC(".maps");

/* forwarded connection as the proxy sees it -> original destination, from SYN until accepted */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_FORWARDS);
	__type(key, struct mr_tuple);
	__type(value, struct mr_origin);
} mr_forward_origins SEC(".maps");

/* end of a connection -> its socket, for the programs that send into it */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, MR_SIZE_ACCELERATED);
	__type(key, struct mr_end);
	__type(value, __u64);
} mr_accelerated SEC(".maps");

/* the same ends -> where their struct sock lies */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_ACCELERATED);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_end);
	__type(value, struct mr_peer);
} mr_peers SEC(".maps");

/* socket that joined -> what it sends */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mr_sending);
} mr_sendings SEC(".maps");

/* pod, listening port -> how what it accepts is read */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_READERS);
	__type(key, struct mr_reader_key);
	__type(value, struct mr_reader_mode);
} mr_readers SEC(".maps");

/* address of a pod of this node -> that pod */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_POD_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_pod_address);
	__type(value, __u64);
} mr_pod_addresses SEC(".maps");

/* enum mr_counter -> count, summed over CPUs by the reader */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MR_COUNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} mr_counters SEC(".maps");

/* struct mr_event */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, MR_SIZE_EVENTS_BYTES);
} mr_events SEC(".maps");

#endif
