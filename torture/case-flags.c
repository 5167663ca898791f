// SPDX-License-Identifier: Apache-2.0
/* What a reader can ask of the kernel besides bytes. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include "torture.h"

#define ROUNDS 8
#define LARGEST 20000

/*
 * Every case sends ROUNDS messages, each in two parts; the second part, and the next
 * message, wait until the reader has come to that point.
 */
static uint64_t part(const struct torture_end *end, int round, int which)
{
	char label[16] = { 'p', 'a', 'r', 't', '0' + round, 'a' + which };

	return param_size(end, label, 1, LARGEST / 2);
}

static void send_parts(struct torture_end *end)
{
	uint64_t mine = 0;

	for (int i = 0; i < ROUNDS; i++) {
		send_stream(end, 0, &mine, part(end, i, 0));
		meet(end);
		send_stream(end, 0, &mine, part(end, i, 1));
		meet(end);
	}
	shutdown(end->fd, SHUT_WR);
}

static void take(struct torture_end *end, uint64_t *theirs, uint64_t length)
{
	receive_stream(end, 0, theirs, length);
}

static void peeks(struct torture_end *end)
{
	char bytes[LARGEST];
	uint64_t theirs = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t first = part(end, i, 0), all = first + part(end, i, 1);
		long peeked;

		peeked = receive(end, bytes, 1, MSG_PEEK);
		verify(end, 0, theirs, bytes, peeked);
		meet(end);
		for (uint64_t start = now_us(); peeked < (long)all;) {
			peeked = receive(end, bytes, all, MSG_PEEK);
			if (peeked <= 0 || now_us() - start > 5000000)
				give_up(end, "peeked %s of %llu", outcome(peeked),
					(unsigned long long)all);
			verify(end, 0, theirs, bytes, peeked);
		}
		note(end, "peeked %ld", peeked);
		take(end, &theirs, all);
		meet(end);
	}
	receive_rest(end, 0, &theirs);
}

static void peeks_at_offset(struct torture_end *end)
{
	int offset = 0, off = -1;
	char bytes[LARGEST];
	uint64_t theirs = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t all = part(end, i, 0) + part(end, i, 1), peeked = 0;

		meet(end);
		setsockopt(end->fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset));
		while (peeked < all) {
			uint64_t n = all - peeked < 700 ? all - peeked : 700;
			long got = receive(end, bytes, n, MSG_PEEK);

			if (got <= 0)
				give_up(end, "peeked %s", outcome(got));
			verify(end, 0, theirs + peeked, bytes, got);
			peeked += got;
		}
		note(end, "peeked %llu in steps", (unsigned long long)peeked);
		setsockopt(end->fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));
		take(end, &theirs, all);
		meet(end);
	}
	receive_rest(end, 0, &theirs);
}

/* On a blocking socket it waits for all; the second part comes a little later. */
static void waits_for_all(struct torture_end *end)
{
	char bytes[LARGEST];
	uint64_t theirs = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t all = part(end, i, 0) + part(end, i, 1);
		long got;

		wait_for(end, end->fd, POLLIN);
		meet(end);
		got = recv(end->fd, bytes, all, MSG_WAITALL);
		note(end, "received %s of %llu at once", outcome(got), (unsigned long long)all);
		if (got > 0)
			verify(end, 0, theirs, bytes, got);
		theirs += got > 0 ? got : 0;
		meet(end);
	}
	receive_rest(end, 0, &theirs);
}

/* Polls until the socket has something; says whether it waited for enough. */
static void has_low_water(struct torture_end *end)
{
	uint64_t theirs = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t first = part(end, i, 0), all = first + part(end, i, 1);
		struct pollfd poll_fd = { .fd = end->fd, .events = POLLIN };
		int mark = all;

		setsockopt(end->fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark));
		note(end, "readable before enough is there: %d", poll(&poll_fd, 1, 20));
		meet(end);
		wait_for(end, end->fd, POLLIN);
		mark = 1;
		setsockopt(end->fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark));
		take(end, &theirs, all);
		meet(end);
	}
	receive_rest(end, 0, &theirs);
}

static void asks_how_much(struct torture_end *end)
{
	uint64_t theirs = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t all = part(end, i, 0) + part(end, i, 1), half = all / 2, start = now_us();
		int there = -1;

		meet(end);
		do {
			usleep(20);
			if (ioctl(end->fd, FIONREAD, &there))
				give_up(end, "FIONREAD: %s", outcome(-1));
		} while ((uint64_t)there != all && now_us() - start < 2000000);
		note(end, "FIONREAD %d of %llu", there, (unsigned long long)all);
		take(end, &theirs, half);
		ioctl(end->fd, FIONREAD, &there);
		note(end, "FIONREAD %d after %llu were read", there, (unsigned long long)half);
		take(end, &theirs, all - half);
		ioctl(end->fd, FIONREAD, &there);
		note(end, "FIONREAD %d after all were read", there);
		meet(end);
	}
	receive_rest(end, 0, &theirs);
}

static void reads_vectors(struct torture_end *end)
{
	static char bytes[4][LARGEST];
	uint64_t theirs = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t left = part(end, i, 0) + part(end, i, 1);

		meet(end);
		while (left) {
			struct iovec vectors[4];
			struct mmsghdr messages[2] = { 0 };
			int many = chance(end, 0, 1);
			long got, n;

			for (int v = 0; v < 4; v++)
				vectors[v] = (struct iovec){ bytes[v], chance_size(end, 1, 4096) };
			for (int m = 0; m < 2; m++)
				messages[m].msg_hdr = (struct msghdr){ .msg_iov = vectors + 2 * m,
								       .msg_iovlen = 2 };
			wait_for(end, end->fd, POLLIN);
			got = many ? recvmmsg(end->fd, messages, 2, MSG_DONTWAIT, NULL)
				   : readv(end->fd, vectors, 4);
			if (got <= 0)
				give_up(end, "%s: %s", many ? "recvmmsg" : "readv", outcome(got));
			for (int m = 0; m < (many ? got : 1); m++) {
				n = many ? messages[m].msg_len : got;
				for (int v = 2 * m; n > 0; v++) {
					long here = n < (long)vectors[v].iov_len
							    ? n
							    : (long)vectors[v].iov_len;

					verify(end, 0, theirs, bytes[v], here);
					theirs += here;
					left -= here;
					n -= here;
				}
			}
		}
		meet(end);
	}
	receive_rest(end, 0, &theirs);
}

static void gives_up_waiting(struct torture_end *end)
{
	struct timeval limit = { .tv_usec = 50000 };
	uint64_t theirs = 0;

	setsockopt(end->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t all = part(end, i, 0) + part(end, i, 1), got = 0, start;
		char bytes[LARGEST];

		meet(end);
		while (got < all) {
			long n = recv(end->fd, bytes, all - got, 0);

			if (n <= 0 && errno == EAGAIN)
				continue;
			if (n <= 0)
				give_up(end, "receive: %s", outcome(n));
			verify(end, 0, theirs, bytes, n);
			theirs += n;
			got += n;
		}
		start = now_us();
		note(end, "nothing there: %s", outcome(recv(end->fd, bytes, 1, 0)));
		if (now_us() - start < 40000)
			note(end, "it did not wait");
		meet(end);
	}
	/* a blocking socket that may return EAGAIN */
	end->nonblocking = 1;
	receive_rest(end, 0, &theirs);
}

#define URGENT_ROUNDS 3

/* A byte out of band between others: it must not become one of them. */
static void sends_urgent(struct torture_end *end)
{
	uint64_t mine = 0;

	for (int i = 0; i < URGENT_ROUNDS; i++) {
		char urgent = 'A' + i;

		send_stream(end, 0, &mine, part(end, i, 0));
		note(end, "urgent %s", outcome(send(end->fd, &urgent, 1, MSG_OOB | MSG_NOSIGNAL)));
		send_stream(end, 0, &mine, part(end, i, 1));
		meet(end);
	}
	shutdown(end->fd, SHUT_WR);
}

static void receives_urgent(struct torture_end *end)
{
	uint64_t theirs = 0;

	for (int i = 0; i < URGENT_ROUNDS; i++) {
		uint64_t before = part(end, i, 0);
		char urgent = '-';
		long got = -1;

		/* while bytes before it are unread; a proxy drops it, which the transcript says too */
		take(end, &theirs, before / 2);
		for (int attempt = 0; attempt < 100 && got != 1; attempt++) {
			got = recv(end->fd, &urgent, 1, MSG_OOB);
			usleep(got == 1 ? 0 : 1000);
		}
		note(end, "urgent %s '%c'", outcome(got), urgent);
		take(end, &theirs, before - before / 2 + part(end, i, 1));
		meet(end);
	}
	receive_rest(end, 0, &theirs);
}

/* Corks and MSG_MORE: how long the kernel keeps bytes is its affair, but all of them arrive in order. */
static void corks(struct torture_end *end)
{
	uint64_t mine = 0;
	char bytes[4096];

	for (int i = 0; i < ROUNDS * 4; i++) {
		int cork = i % 2, on = 1, off = 0, n = chance(end, 1, 4096);

		if (cork)
			setsockopt(end->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
		for (int k = 0; k < 5; k++, mine += n) {
			fill(end, 0, mine, bytes, n);
			if (send_all(end, bytes, n, k < 4 && !cork ? MSG_MORE : 0) < 0)
				give_up(end, "send: %s", outcome(-1));
		}
		if (cork)
			setsockopt(end->fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
		leave(end, 0, mine);
		meet(end);
		meet(end);
	}
	shutdown(end->fd, SHUT_WR);
}

static void receives_corked(struct torture_end *end)
{
	uint64_t theirs = 0;

	for (int i = 0; i < ROUNDS * 4; i++) {
		meet(end);
		take(end, &theirs, found(end, 0) - theirs);
		meet(end);
	}
	theirs = 0;
	note(end, "end: %s", outcome(receive(end, &theirs, 1, 0)));
}

#define READER(title, text, function, how, when)                                                  \
	{                                                                                         \
		.name = title, .summary = text, .one = send_parts, .two = function, .setup = how, \
		.direct = when                                                                    \
	}

const struct torture_case flag_cases[] = {
	READER("peek", "MSG_PEEK until a message is whole", peeks, NONBLOCKING, MUST),
	READER("peek-offset", "SO_PEEK_OFF steps through what is queued", peeks_at_offset,
	       NONBLOCKING, NEVER),
	READER("wait-all", "MSG_WAITALL on a blocking socket", waits_for_all, BLOCKING, MAY),
	READER("low-water-mark", "SO_RCVLOWAT: not readable before enough is there", has_low_water,
	       NONBLOCKING, NEVER),
	READER("how-much", "FIONREAD before, between and after reads", asks_how_much, NONBLOCKING,
	       NEVER),
	READER("vectors", "readv and recvmmsg over the borders of messages", reads_vectors,
	       NONBLOCKING, MUST),
	READER("receive-timeout", "SO_RCVTIMEO on a blocking socket", gives_up_waiting, BLOCKING,
	       MAY),
	{ .name = "urgent",
	  .summary = "MSG_OOB between other bytes",
	  .one = sends_urgent,
	  .two = receives_urgent,
	  .direct = NEVER },
	{ .name = "cork",
	  .summary = "TCP_CORK and MSG_MORE",
	  .one = corks,
	  .two = receives_corked },
	{ 0 },
};
