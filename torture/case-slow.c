// SPDX-License-Identifier: Apache-2.0
/* A reader that does not read: what waits for it is bounded, and arrives in the end. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "torture.h"

#define CHUNK 65536
/* where nothing holds the sender back */
#define ENOUGH (256ull << 20)
/* a sender that could send nothing for so long is held back */
#define STUCK_MS 250

/* Left to itself, TCP makes its buffers as large as it thinks fit: no two runs could be compared. */
static void fix_buffers(struct torture_end *end)
{
	int size = 128 << 10;

	setsockopt(end->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(end->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* Sends until the socket has taken nothing for a while. */
static void fills_up(struct torture_end *end)
{
	uint64_t mine = 0, size = param_size(end, "message", 64, CHUNK);
	char bytes[CHUNK];

	fix_buffers(end);
	meet(end);
	while (mine < ENOUGH) {
		struct pollfd poll_fd = { .fd = end->fd, .events = POLLOUT };
		long n;

		fill(end, 0, mine, bytes, size);
		n = send(end->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			mine += n;
		else if (errno != EAGAIN)
			give_up(end, "send: %s", outcome(n));
		else if (poll(&poll_fd, 1, STUCK_MS) == 0)
			break;
	}
	measure(end, "queued", mine);
	note(end, "held back: %s", mine < ENOUGH ? "yes" : "no");
	leave(end, 0, mine);
	meet(end);
	shutdown(end->fd, SHUT_WR);
}

static void reads_at_last(struct torture_end *end)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t length = sizeof(memory);
	static char bytes[CHUNK];
	uint64_t theirs = 0;

	fix_buffers(end);
	meet(end);
	meet(end);
	getsockopt(end->fd, SOL_SOCKET, SO_MEMINFO, memory, &length);
	measure(end, "receive-memory", memory[SK_MEMINFO_RMEM_ALLOC]);
	for (;;) {
		long n = receive(end, bytes, sizeof(bytes), 0);

		if (n <= 0) {
			note(end, "then %s", n ? outcome(n) : "end of file");
			break;
		}
		verify(end, 0, theirs, bytes, n);
		theirs += n;
	}
	note(end, "all of it arrived: %s", theirs == found(end, 0) ? "yes" : "no");
}

/* Reads a little now and then: the sender is held back and let go many times. */
static void reads_slowly(struct torture_end *end)
{
	uint64_t theirs = 0, total = param_size(end, "length", 1 << 20, 8 << 20), next = 0;

	while (theirs < total) {
		uint64_t n = total - theirs < 200000 ? total - theirs : 200000;

		receive_stream(end, 0, &theirs, n);
		if (theirs >= next) {
			usleep(chance(end, 1, 8000));
			next = theirs + chance(end, 1, 1 << 20);
		}
	}
	receive_rest(end, 0, &theirs);
}

static void sends_fast(struct torture_end *end)
{
	uint64_t mine = 0;

	send_stream(end, 0, &mine, param_size(end, "length", 1 << 20, 8 << 20));
	shutdown(end->fd, SHUT_WR);
}

const struct torture_case slow_cases[] = {
	{ .name = "slow-reader",
	  .summary = "nobody reads until the sender is held back, then everything arrives",
	  .one = fills_up,
	  .two = reads_at_last },
	{ .name = "stop-and-go",
	  .summary = "a reader that pauses, 1 to 8 MB",
	  .one = sends_fast,
	  .two = reads_slowly },
	{ 0 },
};
