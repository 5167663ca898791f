// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a command and says on standard error how often it was switched out: the
 * kernel forgets that of a process and its threads when it ends, but for its
 * parent. The command dies with us.
 *
 * meter COMMAND [ARGUMENT …]     says: millrace-meter VOLUNTARY INVOLUNTARY
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage used;
	int status;
	pid_t child;

	if (argc < 2)
		return 2;
	child = fork();
	if (child < 0) {
		perror("fork");
		return 1;
	}
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (wait4(child, &status, 0, &used) != child) {
		perror("wait4");
		return 1;
	}
	fprintf(stderr, "millrace-meter %ld %ld\n", used.ru_nvcsw, used.ru_nivcsw);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
