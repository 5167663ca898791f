// SPDX-License-Identifier: Apache-2.0
/*
 * The stand-in proxy: accepts, reads one request, asks for the original
 * destination as a proxy does, says whether both agree, and closes first. One
 * connection at a time, so that nothing but the connection is measured. `plain`
 * asks too, but a connection that nobody redirected is right without an answer.
 *
 * server PORT proxy|plain
 */
#include <errno.h>
#include <netinet/tcp.h>

#include "wire.h"

#define SO_ORIGINAL_DST 80

static int open_listener(const char *port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), on = 1, off = 0;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("bind");
	if (listen(fd, 4096))
		die("listen");
	return fd;
}

static int is_original(int fd, const struct request *r)
{
	struct sockaddr_storage original;
	socklen_t size = sizeof(original);
	int level = r->family == AF_INET ? SOL_IP : SOL_IPV6;
	struct request seen;

	if (getsockopt(fd, level, SO_ORIGINAL_DST, &original, &size))
		return 0;
	seen = request_for(&original);
	return !memcmp(&seen, r, sizeof(seen));
}

int main(int argc, char **argv)
{
	int listener, proxy;

	if (argc != 3)
		return 2;
	proxy = !strcmp(argv[2], "proxy");
	listener = open_listener(argv[1]);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 1;
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		struct request r;
		char answer;

		if (fd < 0) {
			/* the client was gone before we came */
			if (errno == ECONNABORTED || errno == EINTR)
				continue;
			die("accept");
		}
		if (read(fd, &r, sizeof(r)) == sizeof(r)) {
			answer = is_original(fd, &r) || !proxy ? ANSWER_RIGHT : ANSWER_WRONG;
			/* MSG_NOSIGNAL: a client that has gone is none of our business */
			send(fd, &answer, 1, MSG_NOSIGNAL);
		}
		close(fd);
	}
}
