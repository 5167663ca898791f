// SPDX-License-Identifier: Apache-2.0
/* A stand-in proxy: takes a pod's captured connections on two ports and carries them on, as Envoy's TCP proxy does. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "torture.h"

#define BUFFER 65536
#define ORIGINAL_DESTINATION 80
#define LISTENERS 4

struct connection;

/* One socket of a connection, and what was read from it for the other one. */
struct leg {
	struct connection *connection;
	struct leg *other;
	int fd;
	int inbound;
	int connecting;
	/* nothing more is read: its end, or its failure, is to be passed on */
	int ended, failed;
	/* no event of it is wanted any more */
	int deaf;
	/* the other one's end was passed on to it */
	int shut;
	size_t start, filled;
	char bytes[BUFFER];
};

struct connection {
	struct leg legs[2];
	struct connection *next_free;
	int closed;
};

/* bytes that the kernel may keep for a socket each way: always the same, so that what waits can be compared */
#define SOCKET_BUFFER (128 << 10)

static int epoll;
/* freed after the batch of events that may still name them */
static struct connection *dead, *spare;

static void watch(struct leg *leg)
{
	struct leg *other = leg->other;
	struct epoll_event event = { .data.ptr = leg };

	if (leg->deaf)
		return;
	if (leg->connecting || other->filled)
		event.events |= EPOLLOUT;
	if (!leg->connecting && !other->connecting && !leg->ended && leg->filled < BUFFER)
		event.events |= EPOLLIN;
	epoll_ctl(epoll, EPOLL_CTL_MOD, leg->fd, &event);
}

static void end_connection(struct connection *connection, int reset)
{
	struct linger none = { .l_onoff = 1 };

	if (connection->closed)
		return;
	connection->closed = 1;
	for (int i = 0; i < 2; i++) {
		if (reset)
			setsockopt(connection->legs[i].fd, SOL_SOCKET, SO_LINGER, &none,
				   sizeof(none));
		close(connection->legs[i].fd);
	}
	connection->next_free = dead;
	dead = connection;
}

/* Writes what the other leg has read; then its end. Returns -1 where that fails. */
static int drain(struct leg *leg)
{
	struct leg *from = leg->other;

	while (from->filled) {
		long n = send(leg->fd, from->bytes + from->start, from->filled, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		from->start += n;
		from->filled -= n;
	}
	from->start = 0;
	if (from->failed)
		return -1;
	if (from->ended && !leg->shut) {
		leg->shut = 1;
		shutdown(leg->fd, SHUT_WR);
	}
	return 0;
}

static void take(struct leg *leg)
{
	size_t end = leg->start + leg->filled;
	long n;

	if (end == BUFFER) {
		memmove(leg->bytes, leg->bytes + leg->start, leg->filled);
		leg->start = 0;
		end = leg->filled;
	}
	n = recv(leg->fd, leg->bytes + end, BUFFER - end, 0);
	if (n > 0)
		leg->filled += n;
	else if (n == 0 || errno != EAGAIN)
		leg->ended = 1, leg->failed = n < 0;
}

static void on_leg(struct leg *leg, uint32_t events)
{
	struct connection *connection = leg->connection;
	struct leg *other = leg->other;
	int error = 0;
	socklen_t length = sizeof(error);

	if (connection->closed)
		return;
	if (leg->connecting) {
		getsockopt(leg->fd, SOL_SOCKET, SO_ERROR, &error, &length);
		if (error)
			return end_connection(connection, 1);
		leg->connecting = 0;
	} else if (!leg->ended && leg->filled < BUFFER &&
		   events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		take(leg);
	} else if (leg->ended && events & (EPOLLHUP | EPOLLERR)) {
		/* both ways of this leg are over, or it was reset: what it sent may still wait for the other one */
		getsockopt(leg->fd, SOL_SOCKET, SO_ERROR, &error, &length);
		leg->failed |= error != 0;
		leg->deaf = 1;
		epoll_ctl(epoll, EPOLL_CTL_DEL, leg->fd, NULL);
	}
	if (drain(other) || drain(leg))
		return end_connection(connection, 1);
	if (leg->ended && other->ended && !leg->filled && !other->filled)
		return end_connection(connection, 0);
	watch(leg);
	watch(other);
}

static void fix_buffers(int fd)
{
	int size = SOCKET_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int original_destination(int fd, struct sockaddr_storage *to, socklen_t *length)
{
	socklen_t family_length = sizeof(int);
	int family = 0;

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &family_length);
	*length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	return getsockopt(fd, family == AF_INET ? SOL_IP : SOL_IPV6, ORIGINAL_DESTINATION, to,
			  length);
}

/* To the application of the own pod the proxy speaks from 127.0.0.6 or ::6, as Istio has it. */
static void bind_inbound(int fd, int family)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000006) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	int on = 1;

	v6.sin6_addr.s6_addr[15] = 6;
	setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (family == AF_INET ? bind(fd, (void *)&v4, sizeof(v4))
			      : bind(fd, (void *)&v6, sizeof(v6)))
		perror("bind");
}

static void on_listener(struct leg *listener)
{
	struct epoll_event event = { 0 };
	struct connection *connection;
	struct sockaddr_storage to;
	socklen_t length;
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), upstream;

	if (fd < 0)
		return;
	if (original_destination(fd, &to, &length)) {
		perror("SO_ORIGINAL_DST");
		close(fd);
		return;
	}
	upstream = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	fix_buffers(upstream);
	if (listener->inbound)
		bind_inbound(upstream, to.ss_family);
	connection = spare ? spare : malloc(sizeof(*connection));
	if (!connection)
		exit(1);
	spare = connection == spare ? spare->next_free : spare;
	connection->closed = 0;
	for (int i = 0; i < 2; i++) {
		struct leg *leg = &connection->legs[i];

		memset(leg, 0, offsetof(struct leg, bytes));
		leg->connection = connection;
		leg->other = &connection->legs[!i];
		leg->fd = i ? upstream : fd;
		event.data.ptr = leg;
		epoll_ctl(epoll, EPOLL_CTL_ADD, leg->fd, &event);
	}
	if (connect(upstream, (void *)&to, length) && errno != EINPROGRESS)
		return end_connection(connection, 1);
	connection->legs[1].connecting = 1;
	watch(&connection->legs[0]);
	watch(&connection->legs[1]);
}

static void open_listener(struct leg *listener, int family, int port, int inbound)
{
	struct sockaddr_storage any = { .ss_family = family };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = listener };
	int on = 1;

	((struct sockaddr_in *)&any)->sin_port = htons(port);
	*listener = (struct leg){ .inbound = inbound };
	listener->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* inherited by what it accepts */
	fix_buffers(listener->fd);
	if (family == AF_INET6)
		setsockopt(listener->fd, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(listener->fd, (void *)&any, sizeof(any)) || listen(listener->fd, 4096)) {
		perror("listen");
		exit(1);
	}
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener->fd, &event);
}

/* relay OUTBOUND-PORT INBOUND-PORT: says "ready" when it listens, and lives until it is killed. */
int relay_main(int argc, char **argv)
{
	static struct leg listeners[LISTENERS];
	struct rlimit files = { 65536, 65536 };
	struct epoll_event events[128];

	if (argc != 3)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &files);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < LISTENERS; i++)
		open_listener(&listeners[i], i & 1 ? AF_INET6 : AF_INET, atoi(argv[1 + i / 2]),
			      i / 2);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, 128, -1);

		for (int i = 0; i < n; i++) {
			struct leg *leg = events[i].data.ptr;

			if (leg >= listeners && leg < listeners + LISTENERS)
				on_listener(leg);
			else
				on_leg(leg, events[i].events);
		}
		while (dead) {
			struct connection *next = dead->next_free;

			dead->next_free = spare;
			spare = dead;
			dead = next;
		}
	}
}
