// SPDX-License-Identifier: Apache-2.0
// Listens on the proxy's ports and one of the application's, connects once under other ids, and prints which listener got the connection and what
// SO_ORIGINAL_DST says there. Usage: redirect-probe UID GID ADDRESS PORT
#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORIGINAL_DST 80 // the same number at SOL_IP and SOL_IPV6
#define LISTENERS 3
#define TIMEOUT_MS 2000

static const int ports[LISTENERS] = { 15001, 15006, 8080 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_on(int port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int off = 0;
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)))
		fail("socket");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8))
		fail("listen");
	return fd;
}

static void dial(int uid, int gid, const char *text, int port)
{
	struct sockaddr_in address4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 address6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int is4 = inet_pton(AF_INET, text, &address4.sin_addr) == 1;
	struct timeval timeout = { .tv_sec = 1 };
	int fd, failed;

	if (!is4 && inet_pton(AF_INET6, text, &address6.sin6_addr) != 1)
		fail("inet_pton");
	if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
		fail("setuid");
	fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)))
		fail("socket");
	if (is4)
		failed = connect(fd, (struct sockaddr *)&address4, sizeof(address4));
	else
		failed = connect(fd, (struct sockaddr *)&address6, sizeof(address6));
	exit(failed ? 2 : 0);
}

static void report(int fd, int port)
{
	union {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} original;
	struct sockaddr_in6 peer;
	socklen_t length = sizeof(original), peer_length = sizeof(peer);
	char text[INET6_ADDRSTRLEN], from[INET6_ADDRSTRLEN];
	int accepted = accept(fd, (struct sockaddr *)&peer, &peer_length);

	if (accepted < 0)
		fail("accept");
	inet_ntop(AF_INET6, &peer.sin6_addr, from, sizeof(from));
	if (!getsockopt(accepted, IPPROTO_IP, ORIGINAL_DST, &original, &length)) {
		inet_ntop(AF_INET, &original.v4.sin_addr, text, sizeof(text));
		printf("%d %s %d %s\n", port, text, ntohs(original.v4.sin_port), from);
		return;
	}
	length = sizeof(original);
	if (getsockopt(accepted, IPPROTO_IPV6, ORIGINAL_DST, &original, &length))
		fail("SO_ORIGINAL_DST");
	inet_ntop(AF_INET6, &original.v6.sin6_addr, text, sizeof(text));
	printf("%d %s %d %s\n", port, text, ntohs(original.v6.sin6_port), from);
}

int main(int argc, char **argv)
{
	struct pollfd fds[LISTENERS];
	pid_t child;
	int index, ready;

	if (argc != 5)
		return 64;
	for (index = 0; index < LISTENERS; index++)
		fds[index] = (struct pollfd){ .fd = listen_on(ports[index]), .events = POLLIN };
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0)
		dial(atoi(argv[1]), atoi(argv[2]), argv[3], atoi(argv[4]));
	ready = poll(fds, LISTENERS, TIMEOUT_MS);
	if (ready < 0)
		fail("poll");
	for (index = 0; index < LISTENERS; index++)
		if (fds[index].revents & POLLIN)
			report(fds[index].fd, ports[index]);
	if (ready == 0)
		printf("nobody\n");
	waitpid(child, NULL, 0);
	return 0;
}
