// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Not loaded: one variable of every shared type, so that BTF holds them all.
 * tools/generate-abi.mjs reads that BTF and writes src/abi/gen/.
 */
#include "counters.h"
#include "dns.h"
#include "events.h"
#include "forward.h"
#include "pod.h"
#include "service.h"
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

struct mr_pod mr_pod;
struct mr_range_key mr_range_key;
struct mr_range mr_range;
struct mr_port_key mr_port_key;
struct mr_port mr_port;
struct mr_socket mr_socket;
struct mr_tuple mr_tuple;
struct mr_origin mr_origin;
struct mr_listener_key mr_listener_key;
struct mr_listener_addr mr_listener_addr;
struct mr_service_key mr_service_key;
struct mr_service mr_service;
struct mr_backend_key mr_backend_key;
struct mr_backend mr_backend;
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
