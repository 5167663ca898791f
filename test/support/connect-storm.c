/* connect-storm ADDRESS PORT MILLISECONDS: connects and resets as fast as it can, with one process for each processor; prints how often. */
#include <arpa/inet.h>
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

static long storm(const struct sockaddr_in *to, long until)
{
	struct linger reset = { .l_onoff = 1 };
	long done = 0;

	while (now_ms() < until) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0)
			return done;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		/* refused or not: the way through the kernel is what counts */
		connect(fd, (const struct sockaddr *)to, sizeof(*to));
		done++;
		close(fd);
	}
	return done;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	long processes = sysconf(_SC_NPROCESSORS_ONLN);
	long *done, sum = 0, until;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons(atoi(argv[2]));
	until = now_ms() + atol(argv[3]);
	done = mmap(NULL, processes * sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (done == MAP_FAILED)
		return 1;
	for (long i = 0; i < processes; i++) {
		if (!fork()) {
			done[i] = storm(&to, until);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	for (long i = 0; i < processes; i++)
		sum += done[i];
	printf("%ld\n", sum);
	return 0;
}
