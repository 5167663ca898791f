// SPDX-License-Identifier: Apache-2.0
/*
 * syn-flood SOURCE DESTINATION PORT PER_SECOND SECONDS: first packets of TCP connections from ever other ports, by a raw socket, at an even pace.
 * Prints how many the kernel took.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64

struct packet {
	struct iphdr ip;
	struct tcphdr tcp;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	static struct packet packets[BATCH];
	static struct iovec parts[BATCH];
	static struct mmsghdr messages[BATCH];
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint64_t start, sent = 0, rate, seconds;
	struct in_addr from;
	int fd;

	if (argc != 6 || !inet_aton(argv[1], &from) || !inet_aton(argv[2], &to.sin_addr))
		return 2;
	rate = strtoull(argv[4], NULL, 10);
	seconds = strtoull(argv[5], NULL, 10);
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0) {
		perror("socket");
		return 1;
	}
	for (int i = 0; i < BATCH; i++) {
		packets[i].ip = (struct iphdr){
			.version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.tot_len = htons(sizeof(struct packet)),
			.saddr = from.s_addr,
			.daddr = to.sin_addr.s_addr,
		};
		packets[i].tcp = (struct tcphdr){ .doff = 5, .syn = 1, .dest = htons((uint16_t)atoi(argv[3])) };
		parts[i] = (struct iovec){ &packets[i], sizeof(struct packet) };
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &to,
			.msg_namelen = sizeof(to),
			.msg_iov = &parts[i],
			.msg_iovlen = 1,
		};
	}
	start = now_ns();
	for (;;) {
		uint64_t passed = now_ns() - start;
		uint64_t due = passed / 1000 * rate / 1000000;
		int count;

		if (passed >= seconds * 1000000000ull)
			break;
		if (due < sent + BATCH) {
			nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
			continue;
		}
		for (int i = 0; i < BATCH; i++)
			packets[i].tcp.source = htons((uint16_t)(1024 + (sent + (uint64_t)i) % 60000));
		count = sendmmsg(fd, messages, BATCH, 0);
		if (count < 0) {
			perror("sendmmsg");
			return 1;
		}
		sent += (uint64_t)count;
	}
	printf("%llu\n", (unsigned long long)sent);
	return 0;
}
