/*
 * connect-storm ADDRESS PORT MILLISECONDS [PATIENCE]: connects and resets as fast as it can, with one process for each processor; prints how often. With
 * PATIENCE it waits for each connection so many milliseconds at most, and also prints how many came about.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct done {
	long tried;
	long connected;
};

/* Whether a connection came about within the time. */
static int connected(int fd, int patience)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	socklen_t length = sizeof(int);
	int error = 0;

	if (poll(&wait, 1, patience) != 1)
		return 0;
	return !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) && !error;
}

static struct done storm(const struct sockaddr_in *to, long until, int patience)
{
	struct linger reset = { .l_onoff = 1 };
	struct done done = { 0 };

	while (now_ms() < until) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0)
			return done;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (patience)
			fcntl(fd, F_SETFL, O_NONBLOCK);
		/* refused or not: the way through the kernel is what counts */
		connect(fd, (const struct sockaddr *)to, sizeof(*to));
		done.tried++;
		if (patience)
			done.connected += connected(fd, patience);
		close(fd);
	}
	return done;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	long processes = sysconf(_SC_NPROCESSORS_ONLN);
	struct done *done, sum = { 0 };
	long until;

	if (argc < 4 || argc > 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons(atoi(argv[2]));
	until = now_ms() + atol(argv[3]);
	done = mmap(NULL, processes * sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (done == MAP_FAILED)
		return 1;
	for (long i = 0; i < processes; i++) {
		if (!fork()) {
			done[i] = storm(&to, until, argc == 5 ? atoi(argv[4]) : 0);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	for (long i = 0; i < processes; i++) {
		sum.tried += done[i].tried;
		sum.connected += done[i].connected;
	}
	printf("%ld", sum.tried);
	if (argc == 5)
		printf(" %ld", sum.connected);
	printf("\n");
	return 0;
}
