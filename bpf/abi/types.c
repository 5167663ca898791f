// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Not loaded: one variable of every shared type, so that BTF holds them all.
 * tools/generate-abi.mjs reads that BTF and writes src/abi/gen/.
 */
#include "acceleration.h"
#include "counters.h"
#include "dns.h"
#include "events.h"
#include "flow.h"
#include "forward.h"
#include "pod.h"
#include "policy.h"
#include "service.h"
#include "settings.h"
#include "socket.h"
#include "usage.h"
#include "version.h"

enum mr_abi mr_abi;
enum mr_size mr_size;
enum mr_pod_flags mr_pod_flags;
enum mr_range_flags mr_range_flags;
enum mr_port_flags mr_port_flags;
enum mr_socket_flags mr_socket_flags;
enum mr_counter mr_counter;
enum mr_event_kind mr_event_kind;
enum mr_path mr_path;
enum mr_sending_flags mr_sending_flags;
enum mr_reader mr_reader;
enum mr_identity mr_identity;
enum mr_endpoint_flags mr_endpoint_flags;
enum mr_subject_flags mr_subject_flags;
enum mr_direction mr_direction;
enum mr_action mr_action;
enum mr_tier mr_tier;
enum mr_conntrack_flags mr_conntrack_flags;
enum mr_flow_type mr_flow_type;
enum mr_drop mr_drop;
enum mr_observation_point mr_observation_point;
enum mr_trace_reason mr_trace_reason;
enum mr_flow_flags mr_flow_flags;
enum mr_aggregation mr_aggregation;
enum mr_acceleration mr_acceleration;

struct mr_pod mr_pod;
struct mr_range_key mr_range_key;
struct mr_range mr_range;
struct mr_port_key mr_port_key;
struct mr_port mr_port;
struct mr_socket mr_socket;
struct mr_tuple mr_tuple;
struct mr_origin mr_origin;
struct mr_destination_key mr_destination_key;
struct mr_destination mr_destination;
struct mr_listener_key mr_listener_key;
struct mr_listener_addr mr_listener_addr;
struct mr_service_key mr_service_key;
struct mr_service mr_service;
struct mr_backend_key mr_backend_key;
struct mr_backend mr_backend;
struct mr_affinity_key mr_affinity_key;
struct mr_affinity mr_affinity;
struct mr_event mr_event;
struct mr_group_key mr_group_key;
struct mr_group mr_group;
struct mr_dns_server_key mr_dns_server_key;
struct mr_dns_server mr_dns_server;
struct mr_dns_query_key mr_dns_query_key;
struct mr_dns_query mr_dns_query;
struct mr_dns_reply_key mr_dns_reply_key;
struct mr_dns_reply mr_dns_reply;
struct mr_usage mr_usage;
struct mr_interface_key mr_interface_key;
struct mr_interface mr_interface;
struct mr_forward mr_forward;
struct mr_forward_back_key mr_forward_back_key;
struct mr_forward_back mr_forward_back;
struct mr_end mr_end;
struct mr_peer mr_peer_value;
struct mr_sending mr_sending;
struct mr_pod_address mr_pod_address;
struct mr_reader_key mr_reader_key;
struct mr_reader_mode mr_reader_mode;
struct mr_ipcache_key mr_ipcache_key;
struct mr_ipcache mr_ipcache;
struct mr_endpoint mr_endpoint;
struct mr_subject mr_subject;
struct mr_policy_key mr_policy_key;
struct mr_policy mr_policy;
struct mr_conntrack_key mr_conntrack_key;
struct mr_conntrack mr_conntrack;
struct mr_fragment_key mr_fragment_key;
struct mr_fragment mr_fragment;
struct mr_flow_usage mr_flow_usage;
struct mr_flow_event mr_flow_event;
struct mr_settings mr_settings;
