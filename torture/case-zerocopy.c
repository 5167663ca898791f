// SPDX-License-Identifier: Apache-2.0
/* MSG_ZEROCOPY: the buffer belongs to the kernel until it says so. */
#include <errno.h>
#include <time.h>
#include <linux/errqueue.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "torture.h"

#define SENDS 20
#define LARGEST (256 << 10)

/* Reads completions until `wanted` sends are covered; a buffer may be used again only then. */
static void complete(struct torture_end *end, uint32_t wanted, uint32_t *completed)
{
	uint64_t start = now_us();

	while (*completed < wanted) {
		char control[128];
		struct msghdr message = { .msg_control = control,
					  .msg_controllen = sizeof(control) };
		struct sock_extended_err *error;
		struct pollfd poll_fd = { .fd = end->fd };

		if (recvmsg(end->fd, &message, MSG_ERRQUEUE) < 0) {
			if (errno != EAGAIN)
				give_up(end, "error queue: %s", outcome(-1));
			if (now_us() - start > 5000000)
				give_up(end, "no completion of send %u within 5 seconds",
					*completed);
			poll(&poll_fd, 1, 10);
			continue;
		}
		error = (void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
		if (error->ee_origin == SO_EE_ORIGIN_ZEROCOPY)
			*completed = error->ee_data + 1;
	}
}

static void sends_without_copy(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;
	uint32_t calls = 0, completed = 0;
	char *bytes = malloc(LARGEST);
	int on = 1;

	note(end, "SO_ZEROCOPY %s",
	     outcome(setsockopt(end->fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on))));
	for (int i = 0; i < SENDS; i++) {
		size_t length = chance_size(end, 1, LARGEST), sent = 0;

		fill(end, 0, mine, bytes, length);
		while (sent < length) {
			long n = send(end->fd, bytes + sent, length - sent,
				      MSG_ZEROCOPY | MSG_NOSIGNAL);

			if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
				complete(end, calls, &completed);
				wait_for(end, end->fd, POLLOUT);
				continue;
			}
			if (n < 0)
				give_up(end, "send: %s", outcome(n));
			calls++;
			sent += n;
		}
		mine += length;
		complete(end, calls, &completed);
	}
	note(end, "every send was completed");
	shutdown(end->fd, SHUT_WR);
	receive_rest(end, 1, &theirs);
	leave(end, 0, mine);
	meet(end);
}

static void reads_it(struct torture_end *end)
{
	static char bytes[65536];
	uint64_t theirs = 0;
	long n;

	while ((n = receive(end, bytes, sizeof(bytes), 0)) > 0) {
		verify(end, 0, theirs, bytes, n);
		theirs += n;
	}
	note(end, "then %s", n ? outcome(n) : "end of file");
	shutdown(end->fd, SHUT_WR);
	meet(end);
	note(end, "all of it arrived: %s", theirs == found(end, 0) ? "yes" : "no");
}

const struct torture_case zerocopy_cases[] = {
	{ .name = "zero-copy",
	  .summary = "MSG_ZEROCOPY, each buffer used again after its completion",
	  .one = sends_without_copy,
	  .two = reads_it,
	  .direct = NEVER },
	{ 0 },
};
