// SPDX-License-Identifier: Apache-2.0
/* Parameters, chances and the bytes of streams: all of them follow from the seed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "torture.h"

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static uint64_t within(uint64_t random, uint64_t low, uint64_t high)
{
	return low + random % (high - low + 1);
}

static uint64_t sized(uint64_t random, uint64_t low, uint64_t high)
{
	int bits_low = 63 - __builtin_clzll(low), bits_high = 63 - __builtin_clzll(high);
	uint64_t order = within(random & 0xffff, bits_low, bits_high), size;

	size = (1ull << order) + (random >> 16) % (1ull << order);
	return size < low ? low : size > high ? high : size;
}

static uint64_t labelled(const struct torture_end *end, const char *label)
{
	uint64_t hash = mix(end->seed);

	while (*label)
		hash = mix(hash ^ (unsigned char)*label++);
	return hash;
}

uint64_t param(const struct torture_end *end, const char *label, uint64_t low, uint64_t high)
{
	return within(labelled(end, label), low, high);
}

uint64_t param_size(const struct torture_end *end, const char *label, uint64_t low, uint64_t high)
{
	return sized(labelled(end, label), low, high);
}

uint64_t chance(struct torture_end *end, uint64_t low, uint64_t high)
{
	end->chance += 0x9e3779b97f4a7c15ull;
	return within(mix(end->chance), low, high);
}

uint64_t chance_size(struct torture_end *end, uint64_t low, uint64_t high)
{
	end->chance += 0x9e3779b97f4a7c15ull;
	return sized(mix(end->chance), low, high);
}

void dawdle(struct torture_end *end)
{
	if (chance(end, 0, 15) == 0)
		usleep(chance(end, 1, 400));
}

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

void fill(const struct torture_end *end, int stream, uint64_t offset, void *bytes, size_t length)
{
	uint64_t key = mix(end->seed ^ mix(stream));
	unsigned char *to = bytes;

	while (length) {
		uint64_t word = mix(key ^ (offset / 8));
		size_t from = offset % 8, n = 8 - from < length ? 8 - from : length;

		memcpy(to, (unsigned char *)&word + from, n);
		to += n;
		offset += n;
		length -= n;
	}
}

void verify(struct torture_end *end, int stream, uint64_t offset, const void *bytes, size_t length)
{
	const unsigned char *got = bytes;
	unsigned char want[4096];

	while (length) {
		size_t n = length < sizeof(want) ? length : sizeof(want);

		fill(end, stream, offset, want, n);
		for (size_t i = 0; i < n; i++) {
			if (got[i] != want[i])
				give_up(end, "byte %llu of stream %d is %02x, want %02x",
					(unsigned long long)(offset + i), stream, got[i], want[i]);
		}
		got += n;
		offset += n;
		length -= n;
	}
}

const char *outcome(long result)
{
	static __thread char texts[8][48];
	static __thread int next;
	char *text = texts[next++ % 8];

	if (result >= 0) {
		snprintf(text, 48, "%ld", result);
	} else {
		const char *name = strerrorname_np(errno);

		snprintf(text, 48, "%s", name ? name : "an unknown error");
	}
	return text;
}
