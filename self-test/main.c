// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's self-test of acceleration. Started as: self-test CGROUP. Its sockets must
 * be made in a cgroup where the programs hang, so it moves there first. It makes two pods,
 * says "ready" with the descriptors of their namespaces, waits until the agent has
 * enrolled them (a line on standard input), and writes a line for every check:
 * kind, name, ok or failed, and a detail, with tabs between them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "self-test.h"

static int enter_cgroup(const char *path)
{
	char file[4096];
	FILE *processes;

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	processes = fopen(file, "w");
	if (!processes)
		return -1;
	fputs("0", processes);
	return fclose(processes);
}

static void report(const char *kind, const char *name, const char *why)
{
	printf("%s\t%s\t%s\t%s\n", kind, name, why ? "failed" : "ok", why ? why : detail);
	fflush(stdout);
	detail[0] = 0;
}

static void run(const char *kind, const struct check *check)
{
	report(kind, check->name, check->run());
}

static int run_all(const struct pods *pods)
{
	const char *why = open_listener(pods, AF_INET);

	if (why) {
		report("safety", "connection", why);
		return 1;
	}
	for (const struct check *check = safety_checks; check->name; check++)
		run("safety", check);
	for (const struct check *check = application_checks; check->name; check++)
		run("application", check);
	close_listener();
	if (!pods->has_ipv6)
		return 0;
	why = open_listener(pods, AF_INET6);
	if (why)
		report("safety", ipv6_check.name, why);
	else
		run("safety", &ipv6_check);
	close_listener();
	return 0;
}

int main(int argc, char **argv)
{
	struct pods pods;
	const char *why;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CGROUP\n", argv[0]);
		return 2;
	}
	/* whatever becomes of the agent, nothing of this stays */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (enter_cgroup(argv[1])) {
		fprintf(stderr, "cannot enter the cgroup %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	why = make_pods(&pods);
	if (why) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	printf("ready\t%d\t%d\n", pods.client, pods.server);
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	return run_all(&pods);
}
