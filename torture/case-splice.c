// SPDX-License-Identifier: Apache-2.0
/* Bytes that never pass through the application's memory. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include "torture.h"

#define CHUNK 65536

/* Talks and listens at once, since the echo does too; the stream that comes back is the one that was sent. */
static void *echo_reader(void *context)
{
	uint64_t theirs = 0;

	receive_rest(context, 0, &theirs);
	return NULL;
}

static void sends_to_echo(struct torture_end *end)
{
	struct torture_end reader = *end;
	uint64_t mine = 0;
	pthread_t thread;

	pthread_create(&thread, NULL, echo_reader, &reader);
	send_stream(end, 0, &mine, param_size(end, "length", 512, 4 << 20));
	shutdown(end->fd, SHUT_WR);
	pthread_join(thread, NULL);
}

static void sends_file(struct torture_end *end)
{
	uint64_t length = param_size(end, "length", 512, 4 << 20), theirs = 0;
	int file = memfd_create("torture", MFD_CLOEXEC);
	off_t offset = 0;
	char *bytes;

	if (ftruncate(file, length))
		give_up(end, "ftruncate: %s", outcome(-1));
	bytes = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	fill(end, 0, 0, bytes, length);
	while ((uint64_t)offset < length) {
		long n = sendfile(end->fd, file, &offset, chance_size(end, 1, 1 << 20));

		if (n < 0 && errno == EAGAIN && end->nonblocking)
			wait_for(end, end->fd, POLLOUT);
		else if (n <= 0)
			give_up(end, "sendfile: %s", outcome(n));
	}
	note(end, "sendfile %llu", (unsigned long long)length);
	shutdown(end->fd, SHUT_WR);
	receive_rest(end, 1, &theirs);
}

static void only_reads(struct torture_end *end)
{
	uint64_t theirs = 0;

	receive_rest(end, 0, &theirs);
}

/* Moves what `from` has to `to` until its end; returns how much. */
static uint64_t splice_through(struct torture_end *end, int from, int to)
{
	uint64_t moved = 0, progress = now_us();
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC))
		give_up(end, "pipe: %s", outcome(-1));
	for (;;) {
		long in = splice(from, NULL, pipes[1], NULL, chance_size(end, 1, CHUNK),
				 SPLICE_F_MOVE | SPLICE_F_NONBLOCK),
		     out;

		if (in < 0 && errno == EAGAIN) {
			/* where poll says there is something and splice says there is not, a proxy spins for ever */
			if (now_us() - progress > 5000000)
				give_up(end, "splice says EAGAIN for 5 seconds after %llu bytes",
					(unsigned long long)moved);
			if (wait_for(end, from, POLLIN) & POLLIN)
				usleep(20);
			continue;
		}
		if (in < 0)
			give_up(end, "splice from the socket after %llu: %s",
				(unsigned long long)moved, outcome(in));
		if (in == 0)
			break;
		progress = now_us();
		while (in) {
			out = splice(pipes[0], NULL, to, NULL, in, SPLICE_F_MOVE);
			if (out < 0 && errno == EAGAIN) {
				wait_for(end, to, POLLOUT);
				continue;
			}
			if (out <= 0)
				give_up(end, "splice to the socket after %llu: %s",
					(unsigned long long)moved, outcome(out));
			in -= out;
			moved += out;
		}
	}
	close(pipes[0]);
	close(pipes[1]);
	return moved;
}

static void splices_back(struct torture_end *end)
{
	note(end, "spliced %llu", (unsigned long long)splice_through(end, end->fd, end->fd));
	shutdown(end->fd, SHUT_WR);
}

struct way {
	struct torture_end end;
	int from, to;
	uint64_t moved;
};

static void *splice_way(void *context)
{
	struct way *way = context;

	way->moved = splice_through(&way->end, way->from, way->to);
	shutdown(way->to, SHUT_WR);
	return NULL;
}

static void *echo_behind(void *context)
{
	struct torture_end *end = context;
	char bytes[CHUNK];

	torture_take(end);
	for (;;) {
		long n = receive(end, bytes, sizeof(bytes), 0);

		if (n <= 0 || send_all(end, bytes, n, 0) < 0)
			break;
	}
	shutdown(end->fd, SHUT_WR);
	return NULL;
}

/* A proxy that splices, in the application's place, before an echo on another port of the same pod. */
static void is_splicing_proxy(struct torture_end *end)
{
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);
	struct torture_end behind = *end;
	struct way ways[2];
	pthread_t threads[2], echo;
	int upstream;

	behind.listener = torture_socket(end);
	behind.chance ^= 0x1234;
	((struct sockaddr_in *)&behind.address)->sin_port = 0;
	if (bind(behind.listener, (void *)&behind.address, behind.address_length) ||
	    listen(behind.listener, 1) || getsockname(behind.listener, (void *)&bound, &length))
		give_up(end, "cannot listen behind: %s", outcome(-1));
	pthread_create(&echo, NULL, echo_behind, &behind);
	upstream = torture_socket(end);
	if (connect(upstream, (void *)&bound, length) && errno != EINPROGRESS)
		give_up(end, "cannot connect upstream: %s", outcome(-1));
	wait_for(end, upstream, POLLOUT);
	for (int i = 0; i < 2; i++) {
		ways[i] = (struct way){ .end = *end,
					.from = i ? upstream : end->fd,
					.to = i ? end->fd : upstream };
		ways[i].end.chance += i;
		pthread_create(&threads[i], NULL, splice_way, &ways[i]);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		note(end, "way %d: %llu", i, (unsigned long long)ways[i].moved);
	}
	pthread_join(echo, NULL);
}

const struct torture_case splice_cases[] = {
	{ .name = "sendfile",
	  .summary = "sendfile of up to 4 MB",
	  .one = sends_file,
	  .two = only_reads },
	{ .name = "splice-echo",
	  .summary = "splice from a socket to a pipe and back to the socket",
	  .one = sends_to_echo,
	  .two = splices_back,
	  .direct = NEVER },
	{ .name = "splicing-proxy",
	  .summary = "a TCP proxy that splices both ways, as an application",
	  .one = sends_to_echo,
	  .two = is_splicing_proxy,
	  .direct = NEVER,
	  .one_connects = 1 },
	{ 0 },
};
