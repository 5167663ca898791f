// SPDX-License-Identifier: Apache-2.0
/* Two network namespaces and a link between them, by netlink: they end with this process. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include "self-test.h"

#define LINK "eth0"
/* IANA has reserved them for protocols and for benchmarks (RFC 6890, RFC 5180): they are no pod's */
static const char *const addresses[2][2] = {
	{ "192.0.0.1", "2001:2::1" },
	{ "192.0.0.2", "2001:2::2" },
};

struct request {
	struct nlmsghdr header;
	char body[512];
};

static void *extend(struct request *r, const void *bytes, size_t length)
{
	void *at = (char *)r + NLMSG_ALIGN(r->header.nlmsg_len);

	memcpy(at, bytes, length);
	r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + length;
	return at;
}

static struct rtattr *attribute(struct request *r, int type, const void *bytes, size_t length)
{
	struct rtattr head = { .rta_type = type, .rta_len = RTA_LENGTH(length) };
	struct rtattr *at = extend(r, &head, sizeof(head));

	if (length)
		extend(r, bytes, length);
	return at;
}

/* Everything after `at` belongs to it. */
static void close_nest(struct request *r, struct rtattr *at)
{
	at->rta_len = (char *)r + NLMSG_ALIGN(r->header.nlmsg_len) - (char *)at;
}

/* Returns 0 or a negative errno. */
static int ask(struct request *r, int flags)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[1024];
	} answer = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int result = -EIO;

	if (fd < 0)
		return -errno;
	r->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	if (send(fd, r, r->header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		result = -errno;
	else if (answer.header.nlmsg_type == NLMSG_ERROR)
		result = answer.error.error;
	close(fd);
	return result;
}

static struct request begin(int type)
{
	return (struct request){ .header = { .nlmsg_type = type, .nlmsg_len = NLMSG_HDRLEN } };
}

static int make_link(int other)
{
	struct request r = begin(RTM_NEWLINK);
	struct ifinfomsg none = { .ifi_family = AF_UNSPEC };
	struct rtattr *info, *data, *peer;

	extend(&r, &none, sizeof(none));
	attribute(&r, IFLA_IFNAME, LINK, sizeof(LINK));
	info = attribute(&r, IFLA_LINKINFO, NULL, 0);
	attribute(&r, IFLA_INFO_KIND, "veth", 4);
	data = attribute(&r, IFLA_INFO_DATA, NULL, 0);
	peer = attribute(&r, VETH_INFO_PEER, NULL, 0);
	extend(&r, &none, sizeof(none));
	attribute(&r, IFLA_IFNAME, LINK, sizeof(LINK));
	attribute(&r, IFLA_NET_NS_FD, &other, sizeof(other));
	close_nest(&r, peer);
	close_nest(&r, data);
	close_nest(&r, info);
	return ask(&r, NLM_F_CREATE | NLM_F_EXCL);
}

static int raise_link(void)
{
	struct request r = begin(RTM_NEWLINK);
	struct ifinfomsg up = { .ifi_family = AF_UNSPEC,
				.ifi_index = if_nametoindex(LINK),
				.ifi_flags = IFF_UP,
				.ifi_change = IFF_UP };

	extend(&r, &up, sizeof(up));
	return ask(&r, 0);
}

static int add_address(int family, const char *text)
{
	struct request r = begin(RTM_NEWADDR);
	struct ifaddrmsg address = { .ifa_family = family,
				     .ifa_prefixlen = family == AF_INET ? 29 : 64,
				     .ifa_flags = family == AF_INET ? 0 : IFA_F_NODAD,
				     .ifa_index = if_nametoindex(LINK) };
	char bytes[16];
	size_t length = family == AF_INET ? 4 : 16;

	inet_pton(family, text, bytes);
	extend(&r, &address, sizeof(address));
	attribute(&r, IFA_LOCAL, bytes, length);
	attribute(&r, IFA_ADDRESS, bytes, length);
	return ask(&r, NLM_F_CREATE | NLM_F_EXCL);
}

static int make_namespace(void)
{
	if (unshare(CLONE_NEWNET))
		return -1;
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

const char *make_pods(struct pods *pods)
{
	int fds[2], err;

	for (int i = 0; i < 2; i++) {
		fds[i] = make_namespace();
		if (fds[i] < 0)
			return say_why("no network namespace can be made: %s", strerror(errno));
	}
	/* this process is in the second one now */
	err = make_link(fds[0]);
	if (err)
		return say_why("no veth pair can be made: %s", strerror(-err));
	pods->has_ipv6 = 1;
	for (int i = 0; i < 2; i++) {
		if (setns(fds[i], CLONE_NEWNET))
			return say_why("setns: %s", strerror(errno));
		err = raise_link();
		if (!err)
			err = add_address(AF_INET, addresses[i][0]);
		if (err)
			return say_why("the veth pair cannot be used: %s", strerror(-err));
		if (add_address(AF_INET6, addresses[i][1]))
			pods->has_ipv6 = 0;
	}
	pods->client = fds[0];
	pods->server = fds[1];
	return NULL;
}
