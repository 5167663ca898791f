// SPDX-License-Identifier: Apache-2.0
/* One socket in the hands of several processes. */
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>
#include "torture.h"

#define TURNS 12

static uint64_t turn(const struct torture_end *end, int i)
{
	char label[8] = { 't', 'u', 'r', 'n', 'a' + i };

	return param_size(end, label, 1, 65536);
}

/* Speaks and listens in turns: what any holder of the other socket does looks the same from here. */
static void speaks_with_many(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;

	for (int i = 0; i < TURNS; i++) {
		send_stream(end, 0, &mine, turn(end, i));
		receive_stream(end, 1, &theirs, turn(end, i));
	}
	shutdown(end->fd, SHUT_WR);
	receive_rest(end, 1, &theirs);
}

static pid_t start(struct torture_end *end)
{
	pid_t child = fork();

	if (child < 0)
		give_up(end, "fork: %s", outcome(-1));
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(25);
	}
	return child;
}

static void finish(struct torture_end *end, pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	note(end, "the child ended with %d", status);
}

static int send_fd(int channel, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec vector = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vector,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return sendmsg(channel, &message, 0) == 1 ? 0 : -1;
}

static int receive_fd(int channel)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec vector = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vector,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(channel, &message, 0) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return fd;
}

/* Half of the turns here, then the socket is passed on and closed, and another process goes on. */
static void passes_socket_on(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;
	int channel[2];
	pid_t child;

	for (int i = 0; i < TURNS / 2; i++) {
		receive_stream(end, 0, &theirs, turn(end, i));
		send_stream(end, 1, &mine, turn(end, i));
	}
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel);
	child = start(end);
	if (child == 0) {
		close(end->fd);
		end->fd = receive_fd(channel[1]);
		for (int i = TURNS / 2; i < TURNS; i++) {
			receive_stream(end, 0, &theirs, turn(end, i));
			send_stream(end, 1, &mine, turn(end, i));
		}
		receive_rest(end, 0, &theirs);
		_exit(0);
	}
	note(end, "passed on: %s", outcome(send_fd(channel[0], end->fd)));
	close(end->fd);
	finish(end, child);
}

/* Parent and child answer by turns on the socket that both hold; the last one's close is the end. */
static void shares_socket(struct torture_end *end)
{
	uint64_t mine = 0, theirs = 0;
	int baton[2][2];
	char byte = 0;
	pid_t child;
	int self;

	if (pipe(baton[0]) || pipe(baton[1]))
		give_up(end, "pipe: %s", outcome(-1));
	child = start(end);
	self = child == 0;
	for (int i = 0; i < TURNS; i++) {
		if (i % 2 != self) {
			mine += turn(end, i);
			theirs += turn(end, i);
			continue;
		}
		if (i > 0 && read(baton[self][0], &byte, 1) != 1)
			give_up(end, "the baton is lost");
		receive_stream(end, 0, &theirs, turn(end, i));
		send_stream(end, 1, &mine, turn(end, i));
		if (write(baton[!self][1], &byte, 1) != 1)
			give_up(end, "the baton is lost");
	}
	if (child == 0)
		_exit(0);
	finish(end, child);
	receive_rest(end, 0, &theirs);
}

const struct torture_case process_cases[] = {
	{ .name = "pass-socket",
	  .summary = "a socket passed to another process by SCM_RIGHTS in the middle",
	  .one = speaks_with_many,
	  .two = passes_socket_on },
	{ .name = "share-socket",
	  .summary = "a socket shared over fork, used by turns",
	  .one = speaks_with_many,
	  .two = shares_socket },
	{ 0 },
};
