// SPDX-License-Identifier: Apache-2.0
/*
 * A stream in one direction, as iperf does it: the sender writes pieces of one
 * size as fast as it can, the receiver counts what arrives and says so when the
 * sender has ended its half. Non-blocking sockets at both ends.
 *
 * stream receive PORT
 * stream send ADDRESS PORT PIECE MILLISECONDS     prints: BYTES SECONDS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LARGEST_PIECE (1 << 20)
#define PATIENCE_MS 10000
/* Looking at the clock after every write would be a part of the cost of small ones. */
#define WRITES_PER_LOOK 16

struct connection {
	int fd;
	uint64_t bytes;
};

static char buffer[LARGEST_PIECE];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (poll(&p, 1, PATIENCE_MS) != 1) {
		fprintf(stderr, "nothing moves for %d ms\n", PATIENCE_MS);
		exit(1);
	}
}

static void send_stream(const char *address, int port, size_t piece, int milliseconds)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
	socklen_t size = sizeof(error);
	double started, stop;
	uint64_t arrived;
	size_t have = 0;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		die("address");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)
		die("connect");
	wait_for(fd, POLLOUT);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) || error) {
		errno = error;
		die("connect");
	}
	started = now();
	stop = started + milliseconds / 1e3;
	do {
		for (int i = 0; i < WRITES_PER_LOOK; i++) {
			if (write(fd, buffer, piece) >= 0)
				continue;
			if (errno != EAGAIN)
				die("write");
			wait_for(fd, POLLOUT);
			break;
		}
	} while (now() < stop);
	shutdown(fd, SHUT_WR);
	while (have < sizeof(arrived)) {
		ssize_t n = read(fd, (char *)&arrived + have, sizeof(arrived) - have);

		if (n == 0) {
			fprintf(stderr, "the receiver has gone without a word\n");
			exit(1);
		}
		if (n > 0)
			have += n;
		else if (errno == EAGAIN)
			wait_for(fd, POLLIN);
		else
			die("read");
	}
	printf("%llu %.6f\n", (unsigned long long)arrived, now() - started);
}

/* 0: more may come; -1: over */
static int take(struct connection *c)
{
	for (;;) {
		ssize_t n = read(c->fd, buffer, sizeof(buffer));

		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->bytes += n;
		if (n == 0) {
			/* eight bytes always fit into an empty socket */
			(void)!write(c->fd, &c->bytes, sizeof(c->bytes));
			return -1;
		}
	}
}

static void receive_streams(int port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct epoll_event event = { .events = EPOLLIN };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0),
	    on = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, 64))
		die("listen");
	if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event))
		die("epoll");
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		exit(1);
	for (;;) {
		struct connection *c;

		if (epoll_wait(poller, &event, 1, -1) != 1)
			continue;
		c = event.data.ptr;
		if (!c) {
			int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

			if (fd < 0)
				continue;
			c = calloc(1, sizeof(*c));
			if (!c)
				die("calloc");
			c->fd = fd;
			event = (struct epoll_event){ .events = EPOLLIN, .data.ptr = c };
			epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
		} else if (take(c) < 0) {
			close(c->fd);
			free(c);
		}
	}
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "receive"))
		receive_streams(atoi(argv[2]));
	if (argc != 6 || strcmp(argv[1], "send"))
		return 2;
	if (atol(argv[4]) < 1 || atol(argv[4]) > LARGEST_PIECE)
		return 2;
	send_stream(argv[2], atoi(argv[3]), atol(argv[4]), atoi(argv[5]));
	return 0;
}
