// SPDX-License-Identifier: Apache-2.0
/* Connections and the transfer of streams over them. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "harness.h"

void torture_address(struct torture_end *end, const char *text)
{
	struct sockaddr_in *v4 = (void *)&end->address;
	struct sockaddr_in6 *v6 = (void *)&end->address;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		end->address_length = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		end->address_length = sizeof(*v6);
	} else {
		exit(2);
	}
}

/* sin_port and sin6_port are at the same place. */
static void set_port(struct torture_end *end, uint16_t port)
{
	((struct sockaddr_in *)&end->address)->sin_port = htons(port);
}

int torture_socket(const struct torture_end *end)
{
	int type = SOCK_STREAM | SOCK_CLOEXEC | (end->nonblocking ? SOCK_NONBLOCK : 0);

	return socket(end->address.ss_family, type, 0);
}

void torture_listen(struct torture_end *end)
{
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);

	end->listener = torture_socket(end);
	if (bind(end->listener, (void *)&end->address, end->address_length) ||
	    listen(end->listener, 4096) || getsockname(end->listener, (void *)&bound, &length))
		give_up(end, "cannot listen: %s", outcome(-1));
	atomic_store(&end->shared->port, ntohs(((struct sockaddr_in *)&bound)->sin_port));
}

int torture_dial(struct torture_end *end)
{
	int error = 0, on = 1;
	socklen_t length = sizeof(error);

	end->fd = torture_socket(end);
	set_port(end, atomic_load(&end->shared->port));
	if (connect(end->fd, (void *)&end->address, end->address_length)) {
		if (errno != EINPROGRESS)
			give_up(end, "cannot connect: %s", outcome(-1));
		wait_for(end, end->fd, POLLOUT);
		getsockopt(end->fd, SOL_SOCKET, SO_ERROR, &error, &length);
		errno = error;
		if (error)
			give_up(end, "cannot connect: %s", outcome(-1));
	}
	setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return end->fd;
}

int torture_take(struct torture_end *end)
{
	int on = 1;

	wait_for(end, end->listener, POLLIN);
	end->fd = accept4(end->listener, NULL, NULL,
			  SOCK_CLOEXEC | (end->nonblocking ? SOCK_NONBLOCK : 0));
	if (end->fd < 0)
		give_up(end, "cannot accept: %s", outcome(-1));
	/* small messages must not wait for the answer to the one before */
	setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return end->fd;
}

/* To and fro: each side's bytes are confirmed while its socket is open. */
static void say_hello(struct torture_end *end)
{
	char byte = 0;

	for (int turn = 0; turn < 4; turn++) {
		if (turn % 2 != end->connects)
			send_all(end, &byte, 1, 0);
		else
			receive(end, &byte, 1, 0);
	}
}

/*
 * How a listener's connections are read is learned from the first ones, which are
 * therefore not accelerated: a short one comes before the one that counts. And what is
 * sent before accept() goes by TCP, as all that follows while it is not read.
 */
void torture_connect(struct torture_end *end, int cold)
{
	if (!end->connects)
		torture_listen(end);
	for (int i = 0; i < 2; i++) {
		meet(end);
		if (end->connects)
			torture_dial(end);
		else
			torture_take(end);
		if (i && cold)
			return;
		say_hello(end);
		meet(end);
		if (!i)
			close(end->fd);
	}
}

int wait_for(struct torture_end *end, int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	if (poll(&poll_fd, 1, end->patience * 800) == 0)
		give_up(end, "waited in vain for %s", events & POLLIN ? "data" : "room");
	return poll_fd.revents;
}

long send_all(struct torture_end *end, const void *bytes, size_t length, int flags)
{
	size_t sent = 0;

	while (sent < length) {
		long n = send(end->fd, (const char *)bytes + sent, length - sent,
			      flags | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN && end->nonblocking) {
			wait_for(end, end->fd, POLLOUT);
			continue;
		}
		if (n < 0)
			return -1;
		sent += n;
	}
	return length;
}

long receive(struct torture_end *end, void *bytes, size_t length, int flags)
{
	for (;;) {
		long n = recv(end->fd, bytes, length, flags);

		if (n >= 0 || errno != EAGAIN || !end->nonblocking)
			return n;
		wait_for(end, end->fd, POLLIN);
	}
}

#define BUFFER (4 << 20)

static char *buffer(void)
{
	static __thread char *bytes;

	if (!bytes)
		bytes = malloc(BUFFER);
	return bytes;
}

void send_stream(struct torture_end *end, int stream, uint64_t *offset, uint64_t length)
{
	while (length) {
		uint64_t n = chance_size(end, 1, BUFFER);

		n = n < length ? n : length;
		fill(end, stream, *offset, buffer(), n);
		if (send_all(end, buffer(), n, 0) < 0)
			give_up(end, "cannot send byte %llu: %s", (unsigned long long)*offset,
				outcome(-1));
		*offset += n;
		length -= n;
		dawdle(end);
	}
}

void receive_stream(struct torture_end *end, int stream, uint64_t *offset, uint64_t length)
{
	while (length) {
		uint64_t n = chance_size(end, 1, 1 << 20);
		long got = receive(end, buffer(), n < length ? n : length, 0);

		if (got <= 0)
			give_up(end, "%llu bytes before the end of what is due: %s",
				(unsigned long long)length, got ? outcome(-1) : "end of file");
		verify(end, stream, *offset, buffer(), got);
		*offset += got;
		length -= got;
		dawdle(end);
	}
}

void receive_rest(struct torture_end *end, int stream, uint64_t *offset)
{
	for (;;) {
		long got = receive(end, buffer(), chance_size(end, 1, 1 << 20), 0);

		if (got <= 0) {
			note(end, "%llu bytes of stream %d, then %s", (unsigned long long)*offset,
			     stream, got ? outcome(-1) : "end of file");
			return;
		}
		verify(end, stream, *offset, buffer(), got);
		*offset += got;
	}
}
