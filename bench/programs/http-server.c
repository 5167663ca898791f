// SPDX-License-Identifier: Apache-2.0
/*
 * The server behind the benchmark: answers GET /N with N bytes, keeps
 * connections alive, and does as little else as it can, so that it is never what
 * is measured. One thread, non-blocking sockets, level-triggered epoll.
 *
 * http-server PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define LARGEST_BODY (1 << 20)
#define REQUEST_SIZE 8192

struct connection {
	int fd;
	size_t have;
	/* of the answer that is being written; nothing is when left is 0 */
	char head[128];
	size_t head_size, body_size, written, left;
	int closes, waits_to_write;
	char request[REQUEST_SIZE];
};

static char body[LARGEST_BODY];
static int poller;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void end(struct connection *c)
{
	close(c->fd);
	free(c);
}

static void watch(struct connection *c, int write)
{
	struct epoll_event e = { .events = write ? EPOLLOUT : EPOLLIN, .data.ptr = c };

	if (c->waits_to_write == write)
		return;
	c->waits_to_write = write;
	epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
}

/* 1: all is written; 0: the socket is full; -1: the peer has gone */
static int flush(struct connection *c)
{
	while (c->left > 0) {
		struct iovec parts[2];
		int count = 0;
		ssize_t n;

		if (c->written < c->head_size)
			parts[count++] =
				(struct iovec){ c->head + c->written, c->head_size - c->written };
		if (c->body_size > 0) {
			size_t skip = c->written > c->head_size ? c->written - c->head_size : 0;

			parts[count++] = (struct iovec){ body + skip, c->body_size - skip };
		}
		n = writev(c->fd, parts, count);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->written += n;
		c->left -= n;
	}
	return 1;
}

static int has_close(const char *head, size_t size)
{
	static const char name[] = "\r\nconnection:";

	for (const char *p = head; (p = memchr(p, '\r', head + size - p)); p++) {
		if ((size_t)(head + size - p) < sizeof(name) + 5)
			return 0;
		if (!strncasecmp(p, name, sizeof(name) - 1))
			return !!strncasecmp(p + sizeof(name) - 1, " keep-alive", 11);
	}
	return 0;
}

static void prepare(struct connection *c, size_t size)
{
	const char *slash = memchr(c->request, '/', size);
	long wanted = slash ? strtol(slash + 1, NULL, 10) : 0;

	c->closes = has_close(c->request, size);
	c->body_size = wanted < 0 ? 0 : wanted > LARGEST_BODY ? LARGEST_BODY : wanted;
	c->head_size = snprintf(
		c->head, sizeof(c->head),
		"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %zu\r\n%s\r\n",
		c->body_size, c->closes ? "connection: close\r\n" : "");
	c->written = 0;
	c->left = c->head_size + c->body_size;
}

/* Answers every request that is there. -1: the connection is over. */
static int answer(struct connection *c)
{
	for (;;) {
		char *stop = memmem(c->request, c->have, "\r\n\r\n", 4);
		size_t size;

		if (!stop)
			return c->have == REQUEST_SIZE ? -1 : 0;
		size = stop + 4 - c->request;
		prepare(c, size);
		c->have -= size;
		memmove(c->request, c->request + size, c->have);
		switch (flush(c)) {
		case 0:
			watch(c, 1);
			return 0;
		case -1:
			return -1;
		}
		if (c->closes)
			return -1;
	}
}

static int serve(struct connection *c)
{
	if (c->left > 0) {
		int done = flush(c);

		if (done <= 0)
			return done;
		if (c->closes)
			return -1;
		watch(c, 0);
		return answer(c);
	}
	for (;;) {
		ssize_t n = read(c->fd, c->request + c->have, REQUEST_SIZE - c->have);

		if (n == 0)
			return -1;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->have += n;
		/* A short read has emptied the socket: epoll tells when there is more. */
		return answer(c);
	}
}

static void welcome(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
		struct connection *c;
		struct epoll_event e = { .events = EPOLLIN };

		if (fd < 0)
			return;
		c = calloc(1, sizeof(*c));
		if (!c)
			die("calloc");
		c->fd = fd;
		e.data.ptr = c;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	struct epoll_event first = { .events = EPOLLIN }, events[64];
	int listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1, off = 0;

	if (argc != 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	memset(body, 'm', sizeof(body));
	any.sin6_port = htons(atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, 4096))
		die("listen");
	poller = epoll_create1(0);
	if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &first))
		die("epoll");
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 1;
	for (;;) {
		int n = epoll_wait(poller, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (!c)
				welcome(listener);
			else if (serve(c) < 0)
				end(c);
		}
	}
}
