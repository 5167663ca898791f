// SPDX-License-Identifier: Apache-2.0
/*
 * Connects as often as it may for a while, and ends connections in every way: in
 * turn a whole exchange, a reset without reading, a close before the connection is
 * there, and a close right after the request. Both rate and time are bounded.
 * Writes: attempts, whole exchanges, refused, other failures.
 *
 * storm ADDRESS PORT SECONDS PER-SECOND
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "../connect/wire.h"

#define TICKS_PER_SECOND 1000
#define WATCHDOG_MARGIN 30

enum ending {
	END_WHOLE,
	END_RESET,
	END_EARLY,
	END_UNREAD,
	ENDINGS,
};

struct tally {
	unsigned long attempts, whole, refused, failed;
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void attempt(const struct sockaddr_storage *to, socklen_t size, const struct request *r,
		    enum ending ending, struct tally *tally)
{
	int type = SOCK_STREAM | (ending == END_EARLY ? SOCK_NONBLOCK : 0);
	struct linger reset = { .l_onoff = 1 };
	int fd = socket(to->ss_family, type, 0);
	char answer;

	tally->attempts++;
	if (fd < 0) {
		tally->failed++;
		return;
	}
	if (ending == END_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, (const struct sockaddr *)to, size)) {
		if (errno == ECONNREFUSED)
			tally->refused++;
		else if (errno != EINPROGRESS)
			tally->failed++;
	} else if (ending != END_EARLY) {
		if (send(fd, r, sizeof(*r), MSG_NOSIGNAL) == sizeof(*r) && ending == END_WHOLE &&
		    read(fd, &answer, 1) == 1 && answer == ANSWER_RIGHT)
			tally->whole++;
		else if (ending == END_WHOLE)
			tally->failed++;
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_storage to;
	struct tally tally = {};
	uint64_t start, end, next;
	struct request r;
	long per_tick;
	socklen_t size;

	if (argc != 5)
		return 2;
	size = parse_endpoint(argv[1], argv[2], &to);
	r = request_for(&to);
	per_tick = atol(argv[4]) / TICKS_PER_SECOND;
	alarm(atoi(argv[3]) + WATCHDOG_MARGIN);
	start = next = now();
	end = start + atoi(argv[3]) * 1000000000ull;
	while (now() < end) {
		struct timespec rest = {};
		uint64_t time;

		for (long i = 0; i < per_tick && now() < end; i++)
			attempt(&to, size, &r, tally.attempts % ENDINGS, &tally);
		next += 1000000000ull / TICKS_PER_SECOND;
		time = now();
		if (time < next) {
			rest.tv_nsec = next - time;
			nanosleep(&rest, NULL);
		} else {
			/* what could not be done in time is not made up for */
			next = time;
		}
	}
	printf("%lu %lu %lu %lu\n", tally.attempts, tally.whole, tally.refused, tally.failed);
	return 0;
}
