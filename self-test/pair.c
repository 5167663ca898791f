// SPDX-License-Identifier: Apache-2.0
/* Connections between the two pods, whose streams are known byte by byte. One thread has both ends. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "self-test.h"

/* what a step may take on a busy machine */
#define PATIENCE_MS 2000
#define BUFFER_BYTES (256 << 10)
/* the agent forgets by it what the programs have learned; the namespace is ours alone */
#define PORT 7000
/* The streams repeat after so many bytes: a prime, so that no message size hides a shift. */
#define PERIOD 65521
#define LARGEST 32768

static struct {
	const struct pods *pods;
	int fd, family;
	struct sockaddr_storage address;
	socklen_t length;
} listener = { .fd = -1 };

static char streams[2][PERIOD + LARGEST];
static uint64_t state = 0x9e3779b97f4a7c15;

const char *say_why(const char *format, ...)
{
	static char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return text;
}

static uint64_t chance(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void make_streams(void)
{
	for (int direction = 0; direction < 2; direction++) {
		for (size_t i = 0; i < PERIOD; i++)
			streams[direction][i] = chance() >> 32;
		memcpy(streams[direction] + PERIOD, streams[direction], LARGEST);
	}
}

int wait_for(int fd, short events, int milliseconds)
{
	struct pollfd one = { .fd = fd, .events = events };

	return poll(&one, 1, milliseconds) == 1 ? one.revents : 0;
}

static int make_socket(int netns, int family)
{
	int fd, bytes = BUFFER_BYTES, on = 1;

	if (setns(netns, CLONE_NEWNET))
		return -1;
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* bounded, so that a sender is held back soon */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return fd;
}

const char *open_listener(const struct pods *pods, int family)
{
	struct sockaddr_in *v4 = (void *)&listener.address;
	struct sockaddr_in6 *v6 = (void *)&listener.address;
	struct pair pair;
	const char *why;

	make_streams();
	memset(&listener.address, 0, sizeof(listener.address));
	listener.address.ss_family = family;
	listener.pods = pods;
	listener.family = family;
	listener.length = family == AF_INET ? sizeof(*v4) : sizeof(*v6);
	/* the port lies at the same place in both families */
	v4->sin_port = htons(PORT);
	if (family == AF_INET)
		inet_pton(AF_INET, "192.0.0.2", &v4->sin_addr);
	else
		inet_pton(AF_INET6, "2001:2::2", &v6->sin6_addr);
	listener.fd = make_socket(pods->server, family);
	if (listener.fd < 0 || bind(listener.fd, (void *)&listener.address, listener.length) ||
	    listen(listener.fd, 64))
		return say_why("cannot listen: %s", strerror(errno));
	/* the first connection does not join: by it the programs learn how this listener reads */
	why = join(&pair);
	if (!why)
		why = exchange(&pair, 10, 10);
	end_pair(&pair);
	return why;
}

void close_listener(void)
{
	close(listener.fd);
	listener.fd = -1;
}

const char *dial(struct pair *pair, int port)
{
	struct sockaddr_storage any = { .ss_family = listener.family };
	int error = 0;
	socklen_t length = sizeof(error);

	*pair = (struct pair){ .client = make_socket(listener.pods->client, listener.family),
			       .server = -1 };
	if (pair->client < 0)
		return say_why("cannot make a socket: %s", strerror(errno));
	((struct sockaddr_in *)&any)->sin_port = htons(port);
	if (port && bind(pair->client, (void *)&any, listener.length))
		return say_why("cannot bind to port %d: %s", port, strerror(errno));
	if (connect(pair->client, (void *)&listener.address, listener.length) &&
	    errno != EINPROGRESS)
		return say_why("cannot connect: %s", strerror(errno));
	wait_for(pair->client, POLLOUT, PATIENCE_MS);
	getsockopt(pair->client, SOL_SOCKET, SO_ERROR, &error, &length);
	return error ? say_why("cannot connect: %s", strerror(error)) : NULL;
}

const char *take(struct pair *pair)
{
	wait_for(listener.fd, POLLIN, PATIENCE_MS);
	pair->server = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return pair->server < 0 ? say_why("cannot accept: %s", strerror(errno)) : NULL;
}

const char *join(struct pair *pair)
{
	const char *why = dial(pair, 0);

	return why ? why : take(pair);
}

const char *join_warm(struct pair *pair)
{
	const char *why = join(pair);

	for (int i = 0; i < 3 && !why; i++)
		why = exchange(pair, 100, 100);
	return why;
}

void end_pair(struct pair *pair)
{
	if (pair->client >= 0)
		close(pair->client);
	if (pair->server >= 0)
		close(pair->server);
	pair->client = pair->server = -1;
}

int sender_of(const struct pair *pair, enum direction direction)
{
	return direction == UP ? pair->client : pair->server;
}

int receiver_of(const struct pair *pair, enum direction direction)
{
	return direction == UP ? pair->server : pair->client;
}

long say_some(struct pair *pair, enum direction direction, size_t length)
{
	const char *bytes = streams[direction] + pair->sent[direction] % PERIOD;
	long n = send(sender_of(pair, direction), bytes, length < LARGEST ? length : LARGEST,
		      MSG_NOSIGNAL);

	if (n > 0)
		pair->sent[direction] += n;
	return n;
}

const char *say(struct pair *pair, enum direction direction, size_t length)
{
	while (length) {
		long n = say_some(pair, direction, length);

		if (n > 0)
			length -= n;
		else if (errno != EAGAIN)
			return say_why("send: %s", strerror(errno));
		else if (!wait_for(sender_of(pair, direction), POLLOUT, PATIENCE_MS))
			return "the sender was held back and not let go";
	}
	return NULL;
}

const char *check_bytes(struct pair *pair, enum direction direction, const char *bytes,
			size_t length)
{
	size_t at = pair->received[direction];

	if (at + length > pair->sent[direction])
		return say_why("%zu bytes too many came", at + length - pair->sent[direction]);
	if (memcmp(bytes, streams[direction] + at % PERIOD, length))
		return say_why("wrong bytes after %zu right ones", at);
	pair->received[direction] += length;
	return NULL;
}

/* Returns 1 for data, 0 for none now, -1 with `why` for what is wrong. */
static int hear_some(struct pair *pair, enum direction direction, const char **why)
{
	char bytes[LARGEST];
	long n = recv(receiver_of(pair, direction), bytes, 1 + chance() % sizeof(bytes), 0);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		*why = say_why("%zu of %zu bytes came, then %s", pair->received[direction],
			       pair->sent[direction], n ? strerror(errno) : "the end of the file");
	else
		*why = check_bytes(pair, direction, bytes, n);
	return *why ? -1 : 1;
}

const char *hear(struct pair *pair, enum direction direction)
{
	const char *why = NULL;

	while (!why && pair->received[direction] < pair->sent[direction]) {
		if (!wait_for(receiver_of(pair, direction), POLLIN, PATIENCE_MS))
			return say_why("%zu of %zu bytes came, and no more",
				       pair->received[direction], pair->sent[direction]);
		hear_some(pair, direction, &why);
	}
	return why;
}

const char *hear_end(struct pair *pair, enum direction direction)
{
	char byte;
	long n;

	if (!wait_for(receiver_of(pair, direction), POLLIN, PATIENCE_MS))
		return "the end of the file did not come";
	n = recv(receiver_of(pair, direction), &byte, 1, 0);
	if (n == 0)
		return NULL;
	return n > 0 ? "a byte came in the place of the end of the file"
		     : say_why("in the place of the end of the file came %s", strerror(errno));
}

const char *exchange(struct pair *pair, size_t up, size_t down)
{
	size_t total[2] = { pair->sent[UP] + up, pair->sent[DOWN] + down };
	const char *why = NULL;

	while (!why && (pair->received[UP] < total[UP] || pair->received[DOWN] < total[DOWN])) {
		int moved = 0;

		for (int d = UP; d <= DOWN && !why; d++) {
			size_t left = total[d] - pair->sent[d], most = 1 + chance() % LARGEST;

			if (left && say_some(pair, d, left < most ? left : most) > 0)
				moved = 1;
			else if (left && errno != EAGAIN)
				why = say_why("send: %s", strerror(errno));
			while (!why && pair->received[d] < pair->sent[d] &&
			       hear_some(pair, d, &why) > 0)
				moved = 1;
		}
		/* nothing to read at either end and nothing to write: it is on its way */
		if (!moved && !why) {
			struct pollfd both[2] = { { .fd = pair->client, .events = POLLIN },
						  { .fd = pair->server, .events = POLLIN } };

			if (poll(both, 2, PATIENCE_MS) == 0)
				why = say_why("%zu and %zu bytes came, and no more",
					      pair->received[UP], pair->received[DOWN]);
		}
	}
	return why;
}
