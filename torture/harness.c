// SPDX-License-Identifier: Apache-2.0
/* Two processes in two network namespaces run the two scripts of a case and keep a transcript. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness.h"

static const struct torture_case *const tables[] = {
	stream_cases,  start_cases, close_cases, flag_cases,     splice_cases,
	process_cases, slow_cases,  churn_cases, zerocopy_cases, uring_cases,
};

static struct torture_end *current;

/* Called by a signal too: only the end's own memory is written. */
static void append(struct torture_end *end, char kind, const char *format, va_list arguments)
{
	struct torture_text *text = &end->shared->text[end->number];
	size_t used = text->length;
	int n;

	if (used + 512 >= sizeof(text->bytes))
		return;
	text->bytes[used++] = kind;
	n = vsnprintf(text->bytes + used, 500, format, arguments);
	used += n > 499 ? 499 : n;
	text->bytes[used++] = '\n';
	text->length = used;
}

static void line(struct torture_end *end, char kind, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	append(end, kind, format, arguments);
	va_end(arguments);
}

void note(struct torture_end *end, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	append(end, '-', format, arguments);
	va_end(arguments);
}

void measure(struct torture_end *end, const char *name, uint64_t value)
{
	line(end, '=', "%s %llu", name, (unsigned long long)value);
}

void give_up(struct torture_end *end, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	append(end, '!', format, arguments);
	va_end(arguments);
	atomic_store(&end->shared->failed, 1);
	_exit(1);
}

void meet(struct torture_end *end)
{
	atomic_uint *mine = &end->shared->met[end->number],
		    *other = &end->shared->met[!end->number];
	unsigned int round = atomic_fetch_add(mine, 1) + 1;

	while ((int)(atomic_load(other) - round) < 0) {
		if (atomic_load(&end->shared->failed))
			_exit(1);
		usleep(30);
	}
}

void leave(struct torture_end *end, int place, uint64_t value)
{
	atomic_store(&end->shared->places[place], value);
}

uint64_t found(struct torture_end *end, int place)
{
	return atomic_load(&end->shared->places[place]);
}

static void on_deadline(int signal)
{
	(void)signal;
	line(current, '!', "did not end within %d seconds", current->patience);
	atomic_store(&current->shared->failed, 1);
	_exit(1);
}

static const struct torture_case *find_case(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct torture_case *one = tables[i]; one->name; one++) {
			if (!strcmp(one->name, name))
				return one;
		}
	}
	fprintf(stderr, "no such case: %s\n", name);
	exit(2);
}

static void list_cases(void)
{
	static const char *const direct[] = { [MUST] = "must", [MAY] = "may", [NEVER] = "never" };

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct torture_case *one = tables[i]; one->name; one++)
			printf("%s\t%s\t%s\t%s\n", one->name, direct[one->direct],
			       one->small ? "may" : "must", one->summary);
	}
}

static void enter(const char *netns)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET)) {
		perror(netns);
		exit(2);
	}
	close(fd);
}

static void play(struct torture_end *end, const struct torture_case *one)
{
	current = end;
	signal(SIGALRM, on_deadline);
	signal(SIGPIPE, SIG_IGN);
	alarm(end->patience);
	if (one->setup != BY_ITSELF)
		torture_connect(end, one->cold);
	(end->number ? one->two : one->one)(end);
	line(end, '-', "done");
}

/* case NAME NETNS-OF-THE-CLIENT NETNS-OF-THE-SERVER ADDRESS SEED PATIENCE */
static int run_case(char **argv)
{
	const struct torture_case *one = find_case(argv[0]);
	struct torture_end end = { .fd = -1, .listener = -1, .seed = strtoull(argv[4], NULL, 10) };
	struct rlimit files = { 65536, 65536 };
	int swapped, status = 0;
	pid_t child;

	setrlimit(RLIMIT_NOFILE, &files);
	end.shared = mmap(NULL, sizeof(*end.shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (end.shared == MAP_FAILED)
		return 2;
	torture_address(&end, argv[3]);
	end.patience = atoi(argv[5]);
	end.nonblocking = one->setup != BLOCKING;
	swapped = !one->one_connects && param(&end, "which end connects", 0, 1);
	child = fork();
	if (child == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* the parent connects, the child listens */
	end.connects = child != 0;
	end.number = end.connects == swapped;
	end.name = end.number ? "two" : "one";
	end.chance = end.seed * 2 + end.number;
	enter(end.connects ? argv[1] : argv[2]);
	if (child == 0) {
		play(&end, one);
		_exit(0);
	}
	/* the connecting end has a process too: whatever becomes of it, the transcript is printed */
	pid_t other = fork();
	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		play(&end, one);
		_exit(0);
	}
	for (int i = 0; i < 2; i++) {
		int one_status;

		if (wait(&one_status) < 0)
			return 2;
		status |= one_status;
		if (one_status)
			atomic_store(&end.shared->failed, 1);
	}
	for (int i = 0; i < 2; i++) {
		struct torture_text *text = &end.shared->text[i];
		int connects = i == end.number;

		printf("# %s, which %s\n%.*s", i ? "two" : "one", connects ? "connects" : "listens",
		       (int)text->length, text->bytes);
	}
	return status ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "list"))
		return list_cases(), 0;
	if (argc == 8 && !strcmp(argv[1], "case"))
		return run_case(argv + 2);
	if (argc >= 2 && !strcmp(argv[1], "relay"))
		return relay_main(argc - 1, argv + 1);
	fprintf(stderr,
		"usage: %s list | case NAME NETNS NETNS ADDRESS SEED SECONDS | relay PORT PORT\n",
		argv[0]);
	return 2;
}
