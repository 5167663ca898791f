// SPDX-License-Identifier: Apache-2.0
/* Ports that are used again at once: no connection may get the bytes of the one before. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "torture.h"

#define CONNECTIONS 1500
/* so few that every one is used a hundred times */
#define PORTS 15
/* below those that the kernel chooses: a connection of another case would keep its port for a minute */
#define FIRST_PORT 20000

struct word {
	uint64_t number;
	uint64_t check;
};

static struct word word_of(const struct torture_end *end, uint64_t number)
{
	struct word word = { .number = number };

	fill(end, 7, number * 8, &word.check, 8);
	return word;
}

/* Binds to one of a few ports; a reset at the end leaves it free. */
static int from_port(struct torture_end *end, int port)
{
	struct sockaddr_storage any = { .ss_family = end->address.ss_family };
	struct linger none = { .l_onoff = 1 };
	int on = 1, fd = torture_socket(end);

	((struct sockaddr_in *)&any)->sin_port = htons(port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	if (bind(fd, (void *)&any, end->address_length)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void reuses_ports(struct torture_end *end)
{
	uint64_t started, busy = 0;
	int base = FIRST_PORT + param(end, "first port", 0, 600) * PORTS;

	meet(end);
	((struct sockaddr_in *)&end->address)->sin_port = htons(found(end, 0));
	started = now_us();
	for (uint64_t i = 0; i < CONNECTIONS; i++) {
		struct word asked = word_of(end, i), answer = { 0 };
		size_t got = 0;

		end->fd = from_port(end, base + i % PORTS);
		if (end->fd < 0 || (connect(end->fd, (void *)&end->address, end->address_length) &&
				    errno != EINPROGRESS)) {
			/* the other end of the last use may still be at it */
			if (end->fd >= 0)
				close(end->fd);
			if (++busy > 100000)
				give_up(end, "no port becomes free: %s", outcome(-1));
			usleep(100);
			i--;
			continue;
		}
		wait_for(end, end->fd, POLLOUT);
		if (send_all(end, &asked, sizeof(asked), 0) < 0)
			give_up(end, "connection %llu: send: %s", (unsigned long long)i,
				outcome(-1));
		while (got < sizeof(answer)) {
			long n = receive(end, (char *)&answer + got, sizeof(answer) - got, 0);

			if (n <= 0)
				give_up(end, "connection %llu: receive: %s", (unsigned long long)i,
					outcome(n));
			got += n;
		}
		if (memcmp(&answer, &asked, sizeof(asked)))
			give_up(end, "connection %llu got the answer of %llu",
				(unsigned long long)i, (unsigned long long)answer.number);
		close(end->fd);
	}
	measure(end, "connections-per-second", CONNECTIONS * 1000000ull / (now_us() - started));
	measure(end, "port-was-busy", busy);
	note(end, "%d connections, each with its own answer", CONNECTIONS);
	leave(end, 1, 1);
	meet(end);
}

/* Echoes words on however many connections there are, until the other end has done. */
static void answers(struct torture_end *end)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN }, ready[64];
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);

	torture_listen(end);
	event.data.fd = end->listener;
	epoll_ctl(epoll, EPOLL_CTL_ADD, end->listener, &event);
	getsockname(end->listener, (void *)&bound, &length);
	leave(end, 0, ntohs(((struct sockaddr_in *)&bound)->sin_port));
	meet(end);
	while (!found(end, 1)) {
		int n = epoll_wait(epoll, ready, 64, 20);

		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd;
			char bytes[64];
			long got;

			if (fd == end->listener) {
				event.data.fd =
					accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
				if (event.data.fd >= 0)
					epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
				continue;
			}
			got = recv(fd, bytes, sizeof(bytes), 0);
			if (got > 0 && send(fd, bytes, got, MSG_NOSIGNAL) == got)
				continue;
			if (got < 0 && errno == EAGAIN)
				continue;
			close(fd);
		}
	}
	meet(end);
}

const struct torture_case churn_cases[] = {
	{ .name = "port-reuse",
	  .summary = "1,500 connections from 15 ports as fast as they go, up to 20,000 per second",
	  .one = reuses_ports,
	  .two = answers,
	  .setup = BY_ITSELF,
	  .small = 1,
	  .direct = MAY,
	  .one_connects = 1 },
	{ 0 },
};
