// SPDX-License-Identifier: Apache-2.0
/* Random sizes in both directions at once, by every way to wait for a socket. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "torture.h"

#define BUFFER (1 << 20)

struct half {
	struct torture_end *end;
	uint64_t total;
	uint64_t done;
};

static uint64_t bytes_of(const struct torture_end *end, int number)
{
	/* never so few both ways that nobody could say which way they went */
	return number ? param_size(end, "bytes of two", 4096, 4 << 20)
		      : param_size(end, "bytes of one", 1, 4 << 20);
}

/* One send of at most a chunk; returns 0 where the socket takes no more now. */
static int send_some(struct half *out, char *bytes)
{
	struct torture_end *end = out->end;
	uint64_t left = out->total - out->done, n = chance_size(end, 1, BUFFER);
	long sent;

	n = n < left ? n : left;
	fill(end, end->number, out->done, bytes, n);
	sent = send(end->fd, bytes, n, MSG_NOSIGNAL);
	if (sent < 0 && errno == EAGAIN && end->nonblocking)
		return 0;
	if (sent < 0)
		give_up(end, "cannot send byte %llu: %s", (unsigned long long)out->done,
			outcome(-1));
	out->done += sent;
	if (out->done == out->total && shutdown(end->fd, SHUT_WR))
		give_up(end, "shutdown: %s", outcome(-1));
	return 1;
}

/* One receive: 1 for data, 0 where there is none now, -1 at the end of file. */
static int receive_some(struct half *in, char *bytes)
{
	struct torture_end *end = in->end;
	long got = recv(end->fd, bytes, chance_size(end, 1, BUFFER), 0);

	if (got < 0 && errno == EAGAIN && end->nonblocking)
		return 0;
	if (got < 0)
		give_up(end, "cannot receive byte %llu: %s", (unsigned long long)in->done,
			outcome(-1));
	if (got == 0)
		return -1;
	verify(end, !end->number, in->done, bytes, got);
	in->done += got;
	return 1;
}

/* Which of the two was over first is chance. */
static void conclude(struct torture_end *end, const struct half *out, const struct half *in)
{
	note(end, "all %llu sent", (unsigned long long)out->done);
	note(end, "end of file after %llu of %llu", (unsigned long long)in->done,
	     (unsigned long long)in->total);
}

static struct half sending(struct torture_end *end)
{
	return (struct half){ .end = end, .total = bytes_of(end, end->number) };
}

static struct half receiving(struct torture_end *end)
{
	return (struct half){ .end = end, .total = bytes_of(end, !end->number) };
}

static void by_poll(struct torture_end *end)
{
	struct half out = sending(end), in = receiving(end);
	char *bytes = malloc(BUFFER);
	int open = 1;

	while (open || out.done < out.total) {
		short wanted = (open ? POLLIN : 0) | (out.done < out.total ? POLLOUT : 0);
		int ready = wait_for(end, end->fd, wanted);

		if (open && ready & (POLLIN | POLLHUP))
			open = receive_some(&in, bytes) >= 0;
		if (out.done < out.total && ready & POLLOUT)
			send_some(&out, bytes);
		dawdle(end);
	}
	conclude(end, &out, &in);
}

/* Reads and writes until the socket says "not now", and only then waits for an edge. */
static void by_edges(struct torture_end *end)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	struct half out = sending(end), in = receiving(end);
	char *bytes = malloc(BUFFER);
	int epoll = epoll_create1(EPOLL_CLOEXEC), open = 1;

	epoll_ctl(epoll, EPOLL_CTL_ADD, end->fd, &event);
	while (open || out.done < out.total) {
		if (epoll_wait(epoll, &event, 1, 20000) == 0)
			give_up(end, "no edge for 20 seconds: %llu sent, %llu received",
				(unsigned long long)out.done, (unsigned long long)in.done);
		int reads = open, writes = out.done < out.total;

		while (reads || writes) {
			if (reads) {
				int got = receive_some(&in, bytes);

				open = got >= 0;
				reads = got > 0;
			}
			if (writes)
				writes = send_some(&out, bytes) && out.done < out.total;
			dawdle(end);
		}
	}
	conclude(end, &out, &in);
}

static void *send_thread(void *context)
{
	struct half *out = context;
	/* the chances of the two threads must not race */
	struct torture_end own = *out->end;
	char *bytes = malloc(BUFFER);

	own.chance ^= 0x5555;
	out->end = &own;
	while (out->done < out->total) {
		if (!send_some(out, bytes))
			wait_for(&own, own.fd, POLLOUT);
		dawdle(&own);
	}
	return NULL;
}

static void by_threads(struct torture_end *end)
{
	struct half out = sending(end), in = receiving(end);
	char *bytes = malloc(BUFFER);
	pthread_t writer;

	pthread_create(&writer, NULL, send_thread, &out);
	for (int got = 1; got >= 0;) {
		got = receive_some(&in, bytes);
		if (got == 0)
			wait_for(end, end->fd, POLLIN);
	}
	pthread_join(writer, NULL);
	conclude(end, &out, &in);
}

/* A request and its answer, many times: every message meets an empty queue. */
static void ping_pong(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0, rounds = param(end, "rounds", 20, 200);

	for (uint64_t i = 0; i < rounds; i++) {
		if (end->number == 0)
			send_stream(end, 0, &mine, param_size(end, "request", 1, 65536));
		receive_stream(end, !end->number, &theirs,
			       param_size(end, end->number ? "request" : "answer", 1, 65536));
		if (end->number == 1)
			send_stream(end, 1, &mine, param_size(end, "answer", 1, 65536));
	}
	note(end, "%llu rounds", (unsigned long long)rounds);
	shutdown(end->fd, SHUT_WR);
	receive_rest(end, !end->number, &theirs);
}

const struct torture_case stream_cases[] = {
	{ .name = "stream-nonblocking",
	  .summary = "1 B to 4 MB in both directions at once, non-blocking with poll",
	  .one = by_poll,
	  .two = by_poll },
	{ .name = "stream-from-the-start",
	  .summary = "the same on a connection that nothing was said on",
	  .one = by_poll,
	  .two = by_poll,
	  .cold = 1,
	  .small = 1,
	  .direct = MAY },
	{ .name = "stream-edge-triggered",
	  .summary = "the same with edge-triggered epoll",
	  .one = by_edges,
	  .two = by_edges },
	{ .name = "stream-blocking",
	  .summary = "the same with blocking sockets, a thread reads and a thread writes",
	  .one = by_threads,
	  .two = by_threads,
	  .setup = BLOCKING,
	  .direct = MAY },
	{ .name = "stream-threads",
	  .summary = "two threads read and write one non-blocking socket",
	  .one = by_threads,
	  .two = by_threads },
	{ .name = "ping-pong",
	  .summary = "requests and answers, 20 to 200 of them",
	  .one = ping_pong,
	  .two = ping_pong },
	{ .name = "ping-pong-blocking",
	  .summary = "the same with blocking sockets",
	  .one = ping_pong,
	  .two = ping_pong,
	  .setup = BLOCKING,
	  .direct = MAY },
	{ 0 },
};
