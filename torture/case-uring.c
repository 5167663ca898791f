// SPDX-License-Identifier: Apache-2.0
/* io_uring by bare system calls: receives and sends that the kernel waits for by itself. */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <poll.h>
#include <unistd.h>
#include "torture.h"

#define BUFFER (256 << 10)

struct ring {
	int fd;
	struct io_uring_sqe *entries;
	struct io_uring_cqe *completions;
	unsigned int *indexes;
	atomic_uint *tail, *done_head, *done_tail;
	unsigned int mask, done_mask;
};

static void *region(int fd, size_t length, off_t offset)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
}

/* Returns 0, or -1 where this kernel has no io_uring for us. */
static int open_ring(struct ring *ring)
{
	struct io_uring_params params = { 0 };
	char *submitted, *done;

	ring->fd = syscall(SYS_io_uring_setup, 8, &params);
	if (ring->fd < 0)
		return -1;
	submitted =
		region(ring->fd, params.sq_off.array + params.sq_entries * 4, IORING_OFF_SQ_RING);
	done = region(ring->fd, params.cq_off.cqes + params.cq_entries * sizeof(*ring->completions),
		      IORING_OFF_CQ_RING);
	ring->entries =
		region(ring->fd, params.sq_entries * sizeof(*ring->entries), IORING_OFF_SQES);
	ring->indexes = (void *)(submitted + params.sq_off.array);
	ring->tail = (void *)(submitted + params.sq_off.tail);
	ring->mask = *(unsigned int *)(submitted + params.sq_off.ring_mask);
	ring->completions = (void *)(done + params.cq_off.cqes);
	ring->done_head = (void *)(done + params.cq_off.head);
	ring->done_tail = (void *)(done + params.cq_off.tail);
	ring->done_mask = *(unsigned int *)(done + params.cq_off.ring_mask);
	return 0;
}

enum {
	RECEIVE = 1,
	SEND = 2,
	POLL = 16
};

static void submit(struct torture_end *end, struct ring *ring, int opcode, void *bytes,
		   unsigned int length, int what)
{
	unsigned int tail = atomic_load(ring->tail), at = tail & ring->mask;

	ring->entries[at] = (struct io_uring_sqe){ .opcode = opcode,
						   .fd = end->fd,
						   .addr = (uint64_t)(uintptr_t)bytes,
						   .len = length,
						   .user_data = what };
	if (opcode == IORING_OP_POLL_ADD)
		ring->entries[at].poll32_events = what & RECEIVE ? POLLIN : POLLOUT;
	if (opcode == IORING_OP_SEND)
		ring->entries[at].msg_flags = MSG_NOSIGNAL;
	ring->indexes[at] = at;
	atomic_store(ring->tail, tail + 1);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0) != 1)
		give_up(end, "io_uring_enter: %s", outcome(-1));
}

static struct io_uring_cqe await(struct torture_end *end, struct ring *ring)
{
	unsigned int head = atomic_load(ring->done_head);
	struct io_uring_cqe result;

	while (head == atomic_load(ring->done_tail)) {
		if (syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) <
			    0 &&
		    errno != EINTR)
			give_up(end, "io_uring_enter: %s", outcome(-1));
	}
	result = ring->completions[head & ring->done_mask];
	atomic_store(ring->done_head, head + 1);
	return result;
}

/* One receive and one send are always under way; a non-blocking socket is waited for by POLL_ADD. */
static void by_ring(struct torture_end *end)
{
	uint64_t total = end->number ? param_size(end, "bytes of two", 4096, 4 << 20)
				     : param_size(end, "bytes of one", 1, 4 << 20);
	uint64_t sent = 0, received = 0;
	char *in = malloc(BUFFER), *out = malloc(BUFFER);
	unsigned int sending = 0;
	struct ring ring;
	int open = 1;

	if (open_ring(&ring)) {
		note(end, "no io_uring here: %s", outcome(-1));
		return;
	}
	submit(end, &ring, IORING_OP_RECV, in, BUFFER, RECEIVE);
	sending = chance_size(end, 1, total < BUFFER ? total : BUFFER);
	fill(end, end->number, 0, out, sending);
	submit(end, &ring, IORING_OP_SEND, out, sending, SEND);
	while (open || sent < total) {
		struct io_uring_cqe done = await(end, &ring);
		int what = done.user_data & (RECEIVE | SEND);

		if (done.res == -EAGAIN && !(done.user_data & POLL)) {
			submit(end, &ring, IORING_OP_POLL_ADD, NULL, 0, what | POLL);
			continue;
		}
		if (done.res < 0) {
			errno = -done.res;
			give_up(end, "%s: %s", what == SEND ? "send" : "receive", outcome(-1));
		}
		if (what == SEND && !(done.user_data & POLL)) {
			sent += done.res;
			if (sent == total) {
				shutdown(end->fd, SHUT_WR);
				continue;
			}
			sending =
				chance_size(end, 1, total - sent < BUFFER ? total - sent : BUFFER);
			fill(end, end->number, sent, out, sending);
		}
		if (what == RECEIVE && !(done.user_data & POLL)) {
			verify(end, !end->number, received, in, done.res);
			received += done.res;
			open = done.res > 0;
			if (!open)
				continue;
		}
		if (what == SEND)
			submit(end, &ring, IORING_OP_SEND, out, sending, SEND);
		else
			submit(end, &ring, IORING_OP_RECV, in, chance_size(end, 1, BUFFER),
			       RECEIVE);
	}
	note(end, "sent %llu, received %llu and the end of file", (unsigned long long)sent,
	     (unsigned long long)received);
	close(ring.fd);
}

const struct torture_case uring_cases[] = {
	{ .name = "io-uring",
	  .summary = "1 B to 4 MB in both directions at once by io_uring, non-blocking",
	  .one = by_ring,
	  .two = by_ring },
	{ .name = "io-uring-blocking",
	  .summary = "the same on a blocking socket, where the ring waits inside",
	  .one = by_ring,
	  .two = by_ring,
	  .setup = BLOCKING,
	  .direct = MAY },
	{ 0 },
};
