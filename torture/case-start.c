// SPDX-License-Identifier: Apache-2.0
/* The first bytes of a connection: by whichever way they go, nothing may overtake them. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "torture.h"

/* A burst at once, on one connection after the other; who accepts does so early or late. */
static void bursts(struct torture_end *end, int speaks)
{
	int connections = param(end, "connections", 5, 25);

	if (!end->connects)
		torture_listen(end);
	meet(end);
	for (int i = 0; i < connections; i++) {
		uint64_t mine = 0, theirs = 0, left = param(end, "messages", 1, 12);

		if (end->connects) {
			torture_dial(end);
		} else {
			usleep(chance(end, 0, 1) * chance(end, 1, 2000));
			torture_take(end);
		}
		if (speaks) {
			for (; left; left--) {
				char label[8] = { 'm', 'a' + i, 'a' + left };

				send_stream(end, 0, &mine, param_size(end, label, 1, 8192));
			}
			shutdown(end->fd, SHUT_WR);
			leave(end, i % 2, mine);
		}
		receive_rest(end, speaks ? 1 : 0, &theirs);
		if (!speaks) {
			send_stream(end, 1, &mine, 1 + i * 100);
			shutdown(end->fd, SHUT_WR);
		}
		meet(end);
		if (!speaks && theirs != found(end, i % 2))
			give_up(end, "connection %d: %llu bytes of %llu", i,
				(unsigned long long)theirs, (unsigned long long)found(end, i % 2));
		close(end->fd);
	}
}

static void burst_speaker(struct torture_end *end)
{
	bursts(end, 1);
}

static void burst_listener(struct torture_end *end)
{
	bursts(end, 0);
}

/* As databases do: a banner, an answer, then both talk. */
static void banner(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	send_stream(end, 1, &mine, param_size(end, "banner", 1, 4096));
	receive_stream(end, 0, &theirs, param_size(end, "login", 1, 4096));
	send_stream(end, 1, &mine, param_size(end, "rows", 1, 1 << 20));
	shutdown(end->fd, SHUT_WR);
	receive_rest(end, 0, &theirs);
}

static void login(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	receive_stream(end, 1, &theirs, param_size(end, "banner", 1, 4096));
	send_stream(end, 0, &mine, param_size(end, "login", 1, 4096));
	receive_rest(end, 1, &theirs);
	send_stream(end, 0, &mine, param_size(end, "goodbye", 1, 100));
	shutdown(end->fd, SHUT_WR);
}

/* Data in the SYN; also where it does not fit, or the server has no fast open. */
static void fast_open_client(struct torture_end *end)
{
	int connections = 6, length = param_size(end, "data in the SYN", 1, 3000);
	char bytes[4096];

	meet(end);
	for (int i = 0; i < connections; i++) {
		uint64_t mine = length, theirs = 0;
		struct sockaddr_storage to = end->address;
		long sent;

		((struct sockaddr_in *)&to)->sin_port = htons(found(end, 0));
		end->fd = torture_socket(end);
		fill(end, 0, 0, bytes, length);
		sent = sendto(end->fd, bytes, length, MSG_FASTOPEN | MSG_NOSIGNAL, (void *)&to,
			      end->address_length);
		if (sent < 0 && errno != EINPROGRESS)
			give_up(end, "cannot send with the SYN: %s", outcome(-1));
		/* some of it may have to wait until the connection stands */
		if (sent < 0)
			sent = 0;
		wait_for(end, end->fd, POLLOUT);
		if (send_all(end, bytes + sent, length - sent, 0) < 0)
			give_up(end, "cannot send the rest: %s", outcome(-1));
		send_stream(end, 0, &mine, 20000);
		shutdown(end->fd, SHUT_WR);
		receive_rest(end, 1, &theirs);
		close(end->fd);
		meet(end);
	}
}

static void fast_open_server(struct torture_end *end)
{
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);
	int queue = 64;

	torture_listen(end);
	setsockopt(end->listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue));
	getsockname(end->listener, (void *)&bound, &length);
	leave(end, 0, ntohs(((struct sockaddr_in *)&bound)->sin_port));
	meet(end);
	for (int i = 0; i < 6; i++) {
		uint64_t mine = 0, theirs = 0;

		torture_take(end);
		receive_rest(end, 0, &theirs);
		send_stream(end, 1, &mine, 10000);
		shutdown(end->fd, SHUT_WR);
		close(end->fd);
		meet(end);
	}
}

const struct torture_case start_cases[] = {
	{ .name = "send-after-connect",
	  .summary = "bursts of small messages right after connect, or right after accept",
	  .one = burst_speaker,
	  .two = burst_listener,
	  .setup = BY_ITSELF },
	{ .name = "server-speaks-first",
	  .summary = "a banner, a login, rows, a goodbye",
	  .one = login,
	  .two = banner,
	  .cold = 1,
	  .direct = MAY,
	  .one_connects = 1 },
	{ .name = "fast-open",
	  .summary = "TCP fast open: data in the SYN, then more",
	  .one = fast_open_client,
	  .two = fast_open_server,
	  .setup = BY_ITSELF,
	  .one_connects = 1 },
	{ 0 },
};
