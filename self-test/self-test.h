/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SELF_TEST_H
#define SELF_TEST_H

#include <stddef.h>
#include <sys/socket.h>

/* The two pods of the test. */
struct pods {
	/* descriptors of their network namespaces */
	int client, server;
	int has_ipv6;
};

/* Makes both, joins them by a link and gives them addresses. Returns what failed, or NULL. */
const char *make_pods(struct pods *pods);

/* A connection between the pods; both ends are non-blocking. */
struct pair {
	int client, server;
	/* bytes of each direction that were sent, and that were received */
	size_t sent[2], received[2];
};

/* Listens in the server's pod and makes the listener known. */
const char *open_listener(const struct pods *pods, int family);
void close_listener(void);

/* Starts a connection and waits until the client's end stands. `port` 0: any. Returns what failed, or NULL. */
const char *dial(struct pair *pair, int port);
const char *take(struct pair *pair);
/* dial() and take() */
const char *join(struct pair *pair);
void end_pair(struct pair *pair);

enum direction {
	UP = 0,
	DOWN = 1
};

int sender_of(const struct pair *pair, enum direction direction);
int receiver_of(const struct pair *pair, enum direction direction);
/* Bytes of the direction's stream. All of them: waits while the socket takes no more. */
const char *say(struct pair *pair, enum direction direction, size_t length);
/* As many as the socket takes at once; returns -1 for EAGAIN. */
long say_some(struct pair *pair, enum direction direction, size_t length);
/* Receives exactly what was sent and holds every byte to the stream. */
const char *hear(struct pair *pair, enum direction direction);
/* Holds bytes that came by another way than hear() to the stream. */
const char *check_bytes(struct pair *pair, enum direction direction, const char *bytes,
			size_t length);
const char *hear_end(struct pair *pair, enum direction direction);
/* Both directions at once, in messages of many sizes. */
const char *exchange(struct pair *pair, size_t up, size_t down);
/* A connection of which both directions go by sockmap, where they do at all. */
const char *join_warm(struct pair *pair);

int wait_for(int fd, short events, int milliseconds);
/* A sentence with values, valid until the next one. */
const char *say_why(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct check {
	const char *name;
	/* Returns why it failed, or NULL; `detail` may be given in either case. */
	const char *(*run)(void);
};

extern const struct check safety_checks[], application_checks[];
/* The part of them that needs IPv6. */
extern const struct check ipv6_check;
/* What a check that passed has to tell, or "". */
extern char detail[256];

#endif
