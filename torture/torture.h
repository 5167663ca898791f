/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TORTURE_H
#define TORTURE_H

#include <stdint.h>
#include <stddef.h>
#include <netinet/in.h>

/* What both ends of a case share: memory mapped by the two processes. */
struct torture_shared;

/* How a case wants its connection made. */
enum torture_setup {
	/* both ends non-blocking from the start, as every event loop has them */
	NONBLOCKING = 0,
	BLOCKING = 1,
	/* the case connects and accepts by itself: see torture_dial() and torture_take() */
	BY_ITSELF = 2,
};

/* Whether bytes of a case go by sockmap where the two applications are paired directly. */
enum torture_expectation {
	/* a case of which none did proves nothing */
	MUST = 0,
	/* blocking sockets, or too few bytes to be sure */
	MAY = 1,
	/*
	 * The applications do what the sockmap cannot hide from them (docs/adr/0011): their
	 * pods are not annotated, and none of their own sockets may be accelerated.
	 */
	NEVER = 2,
};

struct torture_end {
	/* "one" or "two": the transcript's heading */
	const char *name;
	int number;
	/* the end that connects; which of the two scripts that is, is drawn */
	int connects;
	int nonblocking;
	/* the connection, -1 before torture_dial() or torture_take() */
	int fd;
	int listener;
	uint64_t seed;
	/* the end's own chances: sizes of buffers, pauses */
	uint64_t chance;
	/* where to connect to; the port is the listener's */
	struct sockaddr_storage address;
	socklen_t address_length;
	struct torture_shared *shared;
	/* seconds that a call, or the whole case, may take */
	int patience;
};

typedef void (*torture_script)(struct torture_end *end);

struct torture_case {
	const char *name;
	const char *summary;
	torture_script one;
	torture_script two;
	enum torture_setup setup;
	/* through the proxies every case must be accelerated, unless `small` */
	enum torture_expectation direct;
	/* too few bytes, or too short a life, to be sure of any by sockmap */
	int small;
	/* nothing has been said on the connection before the scripts begin */
	int cold;
	/* script one always connects */
	int one_connects;
};

/* A line of the transcript, which must be the same on plain TCP. */
void note(struct torture_end *end, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A figure that may differ: it is reported, and some are held to a bound. */
void measure(struct torture_end *end, const char *name, uint64_t value);
/* Ends the case with a line of the transcript. */
void give_up(struct torture_end *end, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/* Waits for the other end to come here too. */
void meet(struct torture_end *end);
/* Numbers for the other end, by place. */
void leave(struct torture_end *end, int place, uint64_t value);
uint64_t found(struct torture_end *end, int place);

/* What a call returned: its number, or the name of its errno. Valid until the eighth next call. */
const char *outcome(long result);

/* A parameter that is the same on both ends and in every run with the seed. */
uint64_t param(const struct torture_end *end, const char *label, uint64_t low, uint64_t high);
/* The same, evenly over the orders of magnitude. */
uint64_t param_size(const struct torture_end *end, const char *label, uint64_t low, uint64_t high);
/* A number that only this end sees. */
uint64_t chance(struct torture_end *end, uint64_t low, uint64_t high);
uint64_t chance_size(struct torture_end *end, uint64_t low, uint64_t high);
/* Pauses some microseconds, sometimes. */
void dawdle(struct torture_end *end);
uint64_t now_us(void);

/* The bytes of a stream: any part can be made, and checked, without the rest. */
void fill(const struct torture_end *end, int stream, uint64_t offset, void *bytes, size_t length);
/* Ends the case where a byte is wrong. */
void verify(struct torture_end *end, int stream, uint64_t offset, const void *bytes, size_t length);

/* Listens on a port of the kernel's choice and tells it to the other end. */
void torture_listen(struct torture_end *end);
int torture_dial(struct torture_end *end);
int torture_take(struct torture_end *end);
int torture_socket(const struct torture_end *end);

int wait_for(struct torture_end *end, int fd, short events);
/* Sends all of a buffer, waiting where the socket is non-blocking. Returns length or -1. */
long send_all(struct torture_end *end, const void *bytes, size_t length, int flags);
/* Receives something, waiting where the socket is non-blocking. */
long receive(struct torture_end *end, void *bytes, size_t length, int flags);
/* The next `length` bytes of a stream; ends the case where the connection fails. */
void send_stream(struct torture_end *end, int stream, uint64_t *offset, uint64_t length);
void receive_stream(struct torture_end *end, int stream, uint64_t *offset, uint64_t length);
/* Everything until the end of file or an error, which is noted with the number of bytes. */
void receive_rest(struct torture_end *end, int stream, uint64_t *offset);

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

extern const struct torture_case stream_cases[], start_cases[], close_cases[], flag_cases[],
	splice_cases[], process_cases[], slow_cases[], churn_cases[], zerocopy_cases[],
	uring_cases[];

int relay_main(int argc, char **argv);

#endif
