/* SPDX-License-Identifier: Apache-2.0 */
/* What the two ends of the benchmark say to each other, and what both need. */
#ifndef MILLRACE_BENCH_WIRE_H
#define MILLRACE_BENCH_WIRE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The request: where its client connected to, as it knows it. */
struct request {
	uint8_t address[16];
	uint16_t port;
	uint16_t family;
};

/* The answer: whether the proxy was told the same destination. */
enum answer {
	ANSWER_RIGHT = 'y',
	ANSWER_WRONG = 'n',
};

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ADDRESS PORT, as text, of either family */
static inline socklen_t parse_endpoint(const char *address, const char *port,
				       struct sockaddr_storage *to)
{
	struct sockaddr_in *v4 = (void *)to;
	struct sockaddr_in6 *v6 = (void *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(atoi(port));
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(atoi(port));
		return sizeof(*v6);
	}
	fprintf(stderr, "not an address: %s\n", address);
	exit(2);
}

static inline struct request request_for(const struct sockaddr_storage *to)
{
	const struct sockaddr_in *v4 = (const void *)to;
	const struct sockaddr_in6 *v6 = (const void *)to;
	struct request r = { .family = to->ss_family };

	if (to->ss_family == AF_INET) {
		memcpy(r.address, &v4->sin_addr, 4);
		r.port = v4->sin_port;
	} else {
		memcpy(r.address, &v6->sin6_addr, 16);
		r.port = v6->sin6_port;
	}
	return r;
}

#endif
