// SPDX-License-Identifier: Apache-2.0
/* Ends of connections: half-closed, reset, lingering, with data that nobody read. */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "torture.h"

/* Ends one direction after some bytes; the other goes on for long. */
static void closes_half(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	send_stream(end, 0, &mine, param_size(end, "before the half-close", 1, 1 << 20));
	note(end, "shutdown %s", outcome(shutdown(end->fd, SHUT_WR)));
	receive_rest(end, 1, &theirs);
	note(end, "send after shutdown: %s", outcome(send(end->fd, "x", 1, MSG_NOSIGNAL)));
}

static void goes_on(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	send_stream(end, 1, &mine, param_size(end, "meanwhile", 1, 65536));
	receive_rest(end, 0, &theirs);
	for (int i = 0; i < 20; i++) {
		usleep(chance(end, 0, 300));
		send_stream(end, 1, &mine, param_size(end, "after the half-close", 1, 65536));
	}
	note(end, "shutdown %s", outcome(shutdown(end->fd, SHUT_WR)));
}

static void linger_zero(struct torture_end *end)
{
	struct linger none = { .l_onoff = 1 };

	setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

/* Some bytes to and fro, so that the connection is in the way of working that it will stay in. */
static void warm_up(struct torture_end *end, uint64_t *mine, uint64_t *theirs)
{
	uint64_t rounds = param(end, "rounds before", 3, 20);

	for (uint64_t i = 0; i < rounds; i++) {
		if (end->number == 0)
			send_stream(end, 0, mine, 3000);
		receive_stream(end, !end->number, theirs, 3000);
		if (end->number == 1)
			send_stream(end, 1, mine, 3000);
	}
}

/* Nothing is under way when the reset comes. */
static void resets(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	warm_up(end, &mine, &theirs);
	meet(end);
	linger_zero(end);
	close(end->fd);
	meet(end);
}

static void is_reset(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	warm_up(end, &mine, &theirs);
	meet(end);
	receive_rest(end, 0, &theirs);
	note(end, "then: receive %s", outcome(receive(end, (char[1]){ 0 }, 1, 0)));
	note(end, "then: send %s", outcome(send(end->fd, "x", 1, MSG_NOSIGNAL)));
	meet(end);
}

/* The reset comes while the last bytes were not read. */
static void sends_and_resets(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	warm_up(end, &mine, &theirs);
	send_stream(end, 0, &mine, param_size(end, "last words", 1, 16384));
	meet(end);
	linger_zero(end);
	close(end->fd);
	meet(end);
}

static void reads_then_reset(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0, last = param_size(end, "last words", 1, 16384);

	warm_up(end, &mine, &theirs);
	receive_stream(end, 0, &theirs, last);
	meet(end);
	receive_rest(end, 0, &theirs);
	note(end, "then: send %s", outcome(send(end->fd, "x", 1, MSG_NOSIGNAL)));
	meet(end);
}

/* A close in an orderly way, everything sent before it must arrive. */
static void sends_and_closes(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;
	struct linger wait = { .l_onoff = 1, .l_linger = 10 };

	warm_up(end, &mine, &theirs);
	send_stream(end, 0, &mine, param_size(end, "last words", 1, 4 << 20));
	if (param(end, "linger", 0, 1))
		setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait));
	note(end, "close %s", outcome(close(end->fd)));
}

static void reads_late(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	warm_up(end, &mine, &theirs);
	usleep(param(end, "pause", 0, 20000));
	receive_rest(end, 0, &theirs);
}

/* Whoever closes with bytes unread resets: the other must not believe that they were taken. */
static void leaves_unread(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	warm_up(end, &mine, &theirs);
	meet(end);
	wait_for(end, end->fd, POLLIN);
	note(end, "close %s", outcome(close(end->fd)));
	meet(end);
}

static void is_left_unread(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;
	char bytes[16384] = { 0 };

	warm_up(end, &mine, &theirs);
	meet(end);
	/* at once: the reset may follow the first byte */
	note(end, "send %s",
	     outcome(send(end->fd, bytes, param_size(end, "never read", 1, 16384), MSG_NOSIGNAL)));
	receive_rest(end, 0, &theirs);
	note(end, "then: send %s", outcome(send(end->fd, "x", 1, MSG_NOSIGNAL)));
	meet(end);
}

static void ends_reading(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	warm_up(end, &mine, &theirs);
	note(end, "shutdown %s", outcome(shutdown(end->fd, SHUT_RD)));
	note(end, "receive %s", outcome(receive(end, (char[1]){ 0 }, 1, 0)));
	send_stream(end, 0, &mine, 100000);
	note(end, "shutdown %s", outcome(shutdown(end->fd, SHUT_WR)));
}

static void reads_on(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	warm_up(end, &mine, &theirs);
	receive_rest(end, 0, &theirs);
}

const struct torture_case close_cases[] = {
	{ .name = "half-close",
	  .summary = "one direction ends, the other goes on",
	  .one = closes_half,
	  .two = goes_on },
	{ .name = "half-close-blocking",
	  .summary = "the same with blocking sockets: a read after one's own FIN must wait",
	  .one = closes_half,
	  .two = goes_on,
	  .setup = BLOCKING,
	  .direct = MAY },
	{ .name = "reset",
	  .summary = "RST by SO_LINGER 0 on a connection that is at rest",
	  .one = resets,
	  .two = is_reset },
	{ .name = "reset-after-data",
	  .summary = "RST by SO_LINGER 0 right after the last bytes have been read",
	  .one = sends_and_resets,
	  .two = reads_then_reset },
	{ .name = "close-after-data",
	  .summary = "close, or close with SO_LINGER, right after up to 4 MB",
	  .one = sends_and_closes,
	  .two = reads_late },
	{ .name = "close-unread",
	  .summary = "close with unread data resets",
	  .one = leaves_unread,
	  .two = is_left_unread,
	  .direct = NEVER },
	{ .name = "shut-reading",
	  .summary = "SHUT_RD, then data the other way",
	  .one = ends_reading,
	  .two = reads_on },
	{ 0 },
};
