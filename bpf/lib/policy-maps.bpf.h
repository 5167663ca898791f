/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef MR_LIB_POLICY_MAPS_H
#define MR_LIB_POLICY_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi/flow.h"
#include "abi/policy.h"
#include "abi/settings.h"
#include "abi/version.h"

/* The maps of policy, connections and flows; included by maps.bpf.h, which holds the others. */

/* index of an interface of the node -> network namespace cookie of the pod behind it */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_PODS);
	__type(key, __u32);
	__type(value, __u64);
} mr_host_interfaces SEC(".maps");

/* network namespace cookie -> who the pod is for policy */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_PODS);
	__type(key, __u64);
	__type(value, struct mr_endpoint);
} mr_endpoints SEC(".maps");

/* address -> identity */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MR_SIZE_IPCACHE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_ipcache_key);
	__type(value, struct mr_ipcache);
} mr_ipcache SEC(".maps");

/* identity -> which policy holds for it */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_SIZE_SUBJECTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct mr_subject);
} mr_subjects SEC(".maps");

/* policy, peer, direction, protocol, port -> what each tier says */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MR_SIZE_POLICY_ROWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_policy_key);
	__type(value, struct mr_policy);
} mr_policy SEC(".maps");

/* connection that went both ways -> its state */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_CONNECTIONS);
	__type(key, struct mr_conntrack_key);
	__type(value, struct mr_conntrack);
} mr_conntrack SEC(".maps");

/*
 * Connection that whoever opened it has not confirmed yet -> its state. A map of its
 * own, so that a flood of first packets pushes out first packets alone.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_OPENING);
	__type(key, struct mr_conntrack_key);
	__type(value, struct mr_conntrack);
} mr_opening SEC(".maps");

/* fragmented packet -> what its first fragment said */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MR_SIZE_FRAGMENTS);
	__type(key, struct mr_fragment_key);
	__type(value, struct mr_fragment);
} mr_fragments SEC(".maps");

/* what holds for the whole node; one row */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mr_settings);
} mr_settings SEC(".maps");

/* struct mr_flow_event */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, MR_SIZE_FLOWS_BYTES);
} mr_flows SEC(".maps");

/* pod -> how many events of flows it sends */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, MR_SIZE_PODS);
	__type(key, __u64);
	__type(value, struct mr_flow_usage);
} mr_flow_usage SEC(".maps");

#endif
