// SPDX-License-Identifier: Apache-2.0
/*
 * Connects, asks, waits for the answer and the end, closes; again and again, one
 * at a time. Writes the nanoseconds of every connection as 32-bit numbers, all
 * ones for one that failed. The first WARMUP connections are not reported.
 *
 * client ADDRESS PORT COUNT WARMUP
 */
#include <time.h>

#include "wire.h"

#define FAILED UINT32_MAX
/* far more than any run takes: a connection that hangs must not hang the benchmark */
#define WATCHDOG_SECONDS 120

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int exchange(const struct sockaddr_storage *to, socklen_t size, const struct request *r)
{
	int fd = socket(to->ss_family, SOCK_STREAM, 0), ok = 0;
	char answer, end;

	if (fd < 0)
		return 0;
	if (!connect(fd, (const struct sockaddr *)to, size) &&
	    write(fd, r, sizeof(*r)) == sizeof(*r) && read(fd, &answer, 1) == 1)
		ok = answer == ANSWER_RIGHT && read(fd, &end, 1) == 0;
	close(fd);
	return ok;
}

int main(int argc, char **argv)
{
	struct sockaddr_storage to;
	struct request r;
	uint32_t *taken;
	socklen_t size;
	long count, warmup;

	if (argc != 5)
		return 2;
	size = parse_endpoint(argv[1], argv[2], &to);
	r = request_for(&to);
	count = atol(argv[3]);
	warmup = atol(argv[4]);
	taken = calloc(count, sizeof(*taken));
	if (!taken)
		die("calloc");
	alarm(WATCHDOG_SECONDS);
	for (long i = 0; i < warmup; i++)
		exchange(&to, size, &r);
	for (long i = 0; i < count; i++) {
		uint64_t start = now();

		taken[i] = exchange(&to, size, &r) ? (uint32_t)(now() - start) : FAILED;
	}
	return fwrite(taken, sizeof(*taken), count, stdout) == (size_t)count ? 0 : 1;
}
