// SPDX-License-Identifier: Apache-2.0
/* What must hold before any connection is accelerated, and what would have to hold before applications are unasked. */
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "self-test.h"

#define MIB (1 << 20)

char detail[256];

/* One step after the other, until one says why it failed. */
#define STEP(call)                  \
	do {                        \
		if (!why)           \
			why = call; \
	} while (0)

static const char *first_message(void)
{
	const char *why = NULL;

	for (int round = 0; round < 4 && !why; round++) {
		struct pair pair;

		STEP(dial(&pair, 0));
		/* nobody has accepted it yet */
		for (int i = 0; i < 8; i++)
			STEP(say(&pair, UP, 1 + 97 * i));
		STEP(take(&pair));
		for (int i = 0; i < 8; i++)
			STEP(say(&pair, UP, 1 + 89 * i));
		STEP(hear(&pair, UP));
		for (int i = 0; i < 8; i++)
			STEP(say(&pair, DOWN, 1 + 101 * i));
		STEP(hear(&pair, DOWN));
		end_pair(&pair);
	}
	return why;
}

static const char *server_first(void)
{
	const char *why = NULL;
	struct pair pair;

	STEP(join(&pair));
	STEP(say(&pair, DOWN, 120));
	STEP(say(&pair, UP, 80));
	STEP(hear(&pair, DOWN));
	STEP(hear(&pair, UP));
	STEP(exchange(&pair, 20000, 50000));
	end_pair(&pair);
	return why;
}

/* Bytes that went to the wire: what a sockmap carries is not among them (tcpi_bytes_sent, Linux 4.19). */
static size_t sent_by_tcp(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
	return info.tcpi_bytes_sent;
}

static const char *half_close_of(enum direction first)
{
	enum direction other = !first;
	const char *why = NULL;
	struct pair pair;

	STEP(join_warm(&pair));
	STEP(say(&pair, first, 3000));
	if (!why)
		shutdown(sender_of(&pair, first), SHUT_WR);
	STEP(hear(&pair, first));
	STEP(hear_end(&pair, first));
	for (int i = 0; i < 10; i++) {
		STEP(say(&pair, other, 20000));
		STEP(hear(&pair, other));
	}
	STEP(say(&pair, other, 20000));
	if (!why)
		shutdown(sender_of(&pair, other), SHUT_WR);
	STEP(hear(&pair, other));
	STEP(hear_end(&pair, other));
	end_pair(&pair);
	return why;
}

static const char *half_close(void)
{
	const char *why = half_close_of(UP);

	return why ? why : half_close_of(DOWN);
}

/* Every byte, both ways at once; and most of them past TCP, or nothing was tried. */
static const char *integrity(void)
{
	const char *why = NULL;
	struct pair pair;

	STEP(join_warm(&pair));
	STEP(exchange(&pair, 2 * MIB, 2 * MIB));
	if (!why) {
		size_t sent = pair.sent[UP] + pair.sent[DOWN];
		size_t by_tcp = sent_by_tcp(pair.client) + sent_by_tcp(pair.server);
		/* what was sent twice counts twice */
		size_t past = by_tcp < sent ? sent - by_tcp : 0;

		snprintf(detail, sizeof(detail), "%zu of %zu bytes by sockmap", past, sent);
		if (past < sent / 2)
			why = say_why("only %zu of %zu bytes went by sockmap", past, sent);
	}
	end_pair(&pair);
	return why;
}

static const char *slow_reader(void)
{
	const size_t bound = 4 * MIB, enough = 16 * MIB;
	const char *why = NULL;
	struct pair pair;

	STEP(join_warm(&pair));
	while (!why && pair.sent[UP] < enough) {
		if (say_some(&pair, UP, 32768) > 0)
			continue;
		if (errno != EAGAIN)
			why = say_why("send: %s", strerror(errno));
		else if (!wait_for(pair.client, POLLOUT, 10))
			break;
	}
	if (!why && pair.sent[UP] > bound)
		why = say_why("%zu KiB wait for a reader that does not read", pair.sent[UP] >> 10);
	snprintf(detail, sizeof(detail), "the sender was held back after %zu KiB",
		 pair.sent[UP] >> 10);
	STEP(hear(&pair, UP));
	STEP(exchange(&pair, 100000, 100000));
	end_pair(&pair);
	return why;
}

/* The same addresses and ports again at once, with bytes of the connection before still unread. */
static const char *port_reuse(void)
{
	struct linger none = { .l_onoff = 1 };
	const char *why = NULL;

	for (int round = 0; round < 30 && !why; round++) {
		struct pair pair;

		STEP(dial(&pair, 40000));
		STEP(take(&pair));
		STEP(exchange(&pair, 1 + round, 2 + round));
		STEP(exchange(&pair, 200 + round, 300 + round));
		STEP(say(&pair, UP, 1000 + round));
		STEP(say(&pair, DOWN, 1000 + round));
		setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		end_pair(&pair);
	}
	return why;
}

static const char *splices(void)
{
	const char *why = NULL;
	struct pair pair;
	char bytes[5000];
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC))
		return say_why("no pipe: %s", strerror(errno));
	STEP(join_warm(&pair));
	STEP(say(&pair, DOWN, sizeof(bytes)));
	while (!why && pair.received[DOWN] < pair.sent[DOWN]) {
		long n;

		if (!wait_for(pair.client, POLLIN, 500)) {
			why = "bytes that are there cannot be polled for";
			break;
		}
		n = splice(pair.client, NULL, pipes[1], NULL, sizeof(bytes), SPLICE_F_NONBLOCK);
		if (n <= 0)
			why = say_why("splice() says %s while poll() says readable",
				      n ? strerror(errno) : "end of file");
		else if (read(pipes[0], bytes, n) != n)
			why = "the pipe has less than was spliced";
		else
			why = check_bytes(&pair, DOWN, bytes, n);
	}
	end_pair(&pair);
	close(pipes[0]);
	close(pipes[1]);
	return why;
}

static const char *expect_waiting(int fd, int wanted, const char *how)
{
	int there = -1;

	wait_for(fd, POLLIN, 500);
	if (ioctl(fd, FIONREAD, &there))
		return say_why("FIONREAD: %s", strerror(errno));
	return there == wanted
		       ? NULL
		       : say_why("FIONREAD says %d of %d bytes that came %s", there, wanted, how);
}

static const char *tells_what_waits(void)
{
	const char *why = NULL;
	struct pair pair;

	/* what nobody has accepted yet is sent to by TCP */
	STEP(dial(&pair, 0));
	STEP(say(&pair, UP, 1000));
	STEP(take(&pair));
	STEP(expect_waiting(pair.server, 1000, "by TCP"));
	end_pair(&pair);
	STEP(join_warm(&pair));
	STEP(say(&pair, UP, 1000));
	STEP(expect_waiting(pair.server, 1000, "by sockmap"));
	end_pair(&pair);
	return why;
}

static const char *low_water_mark(void)
{
	const char *why = NULL;
	int mark = 4000;
	struct pair pair;

	STEP(join_warm(&pair));
	if (!why)
		setsockopt(pair.client, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark));
	STEP(say(&pair, DOWN, 1000));
	if (!why && wait_for(pair.client, POLLIN, 10))
		why = "SO_RCVLOWAT 4000 is readable with 1000 bytes";
	end_pair(&pair);
	return why;
}

static const char *peek_offset(void)
{
	const char *why = NULL;
	int offset = 0;
	char first[10], second[10];
	struct pair pair;

	STEP(join_warm(&pair));
	if (!why)
		setsockopt(pair.client, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset));
	STEP(say(&pair, DOWN, 20));
	if (!why) {
		wait_for(pair.client, POLLIN, 500);
		if (recv(pair.client, first, 10, MSG_PEEK) != 10 ||
		    recv(pair.client, second, 10, MSG_PEEK) != 10)
			why = "SO_PEEK_OFF does not peek";
	}
	STEP(check_bytes(&pair, DOWN, first, 10));
	if (!why && check_bytes(&pair, DOWN, second, 10))
		why = "SO_PEEK_OFF peeks at the same bytes again";
	end_pair(&pair);
	return why;
}

static const char *urgent(void)
{
	const char *why = NULL;
	struct pair pair;
	char byte;

	STEP(join_warm(&pair));
	if (!why && send(pair.server, "!", 1, MSG_OOB | MSG_NOSIGNAL) != 1)
		why = say_why("MSG_OOB cannot be sent: %s", strerror(errno));
	if (!why) {
		wait_for(pair.client, POLLPRI, 10);
		if (recv(pair.client, &byte, 1, 0) > 0)
			why = "MSG_OOB arrives as an ordinary byte";
		else if (recv(pair.client, &byte, 1, MSG_OOB) != 1)
			why = "MSG_OOB does not arrive";
	}
	end_pair(&pair);
	return why;
}

static const char *zero_copy(void)
{
	const char *why = NULL;
	struct msghdr message = { 0 };
	char control[128], bytes[20000] = { 0 };
	struct pair pair;
	int on = 1;

	STEP(join_warm(&pair));
	if (!why && setsockopt(pair.server, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		why = say_why("SO_ZEROCOPY: %s", strerror(errno));
	if (!why && send(pair.server, bytes, sizeof(bytes), MSG_ZEROCOPY | MSG_NOSIGNAL) <= 0)
		why = say_why("MSG_ZEROCOPY: %s", strerror(errno));
	if (!why) {
		/* the bytes must be let go of before they are said to be */
		while (wait_for(pair.client, POLLIN, 5) &&
		       recv(pair.client, bytes, sizeof(bytes), 0) > 0)
			;
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		wait_for(pair.server, 0, 10);
		if (recvmsg(pair.server, &message, MSG_ERRQUEUE) < 0)
			why = "MSG_ZEROCOPY is not confirmed";
	}
	end_pair(&pair);
	return why;
}

static const char *close_with_unread(void)
{
	const char *why = NULL;
	struct pair pair;
	char byte;
	long n;

	STEP(join_warm(&pair));
	STEP(say(&pair, UP, 1000));
	if (!why) {
		wait_for(pair.server, POLLIN, 500);
		close(pair.server);
		pair.server = -1;
		wait_for(pair.client, POLLIN, 500);
		n = recv(pair.client, &byte, 1, 0);
		if (n >= 0 || errno != ECONNRESET)
			why = "close() with unread bytes ends the file where TCP resets";
	}
	end_pair(&pair);
	return why;
}

const struct check safety_checks[] = {
	{ "first message", first_message },
	{ "server first", server_first },
	{ "half-close", half_close },
	{ "integrity", integrity },
	{ "slow reader", slow_reader },
	{ "port reuse", port_reuse },
	{ 0 },
};

const struct check ipv6_check = { "integrity over IPv6", integrity };

const struct check application_checks[] = {
	{ "splice", splices },
	{ "FIONREAD", tells_what_waits },
	{ "SO_RCVLOWAT", low_water_mark },
	{ "SO_PEEK_OFF", peek_offset },
	{ "MSG_OOB", urgent },
	{ "MSG_ZEROCOPY", zero_copy },
	{ "close with unread bytes", close_with_unread },
	{ 0 },
};
