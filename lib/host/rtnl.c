// SPDX-License-Identifier: BSD-3-Clause

#include "host/rtnl.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Ours are told from others by it, and come before those of the administrator's that have none.
#define RULE_PRIORITY 4647
// Rules that processes which died may have left for one address; more of them are none of ours.
#define STALE_RULES 64

// A request under construction: the header, the body of its type, attributes.
struct request {
	struct nlmsghdr header;
	uint8_t rest[256];
};

static struct request request_make(
	uint16_t type, uint16_t flags, const void *body, size_t body_length)
{
	struct request r = {
		.header =
			{
				.nlmsg_len = (uint32_t)NLMSG_LENGTH(body_length),
				.nlmsg_type = type,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags,
			},
	};

	memcpy(r.rest, body, body_length);
	return r;
}

// Opens an attribute, whose length is set by the bytes that follow.
static struct rtattr *add_attribute(
	struct request *r, uint16_t type, const void *data, size_t length)
{
	size_t at = NLMSG_ALIGN(r->header.nlmsg_len);
	struct rtattr *a = (struct rtattr *)((uint8_t *)&r->header + at);

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(length);
	if (length)
		memcpy(RTA_DATA(a), data, length);
	r->header.nlmsg_len = (uint32_t)(at + RTA_ALIGN(a->rta_len));
	return a;
}

static void close_attribute(struct request *r, struct rtattr *a)
{
	a->rta_len = (uint16_t)((uint8_t *)&r->header + r->header.nlmsg_len - (uint8_t *)a);
}

static void add_number(struct request *r, uint16_t type, uint32_t number)
{
	add_attribute(r, type, &number, sizeof(number));
}

static void add_address(struct request *r, uint16_t type, const struct ipaddr *addr)
{
	add_attribute(r, type, addr->bytes, ipaddr_bits(addr) / 8);
}

static int ask(struct rtnl *rtnl, struct request *r)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		uint8_t quoted[sizeof(struct request)];
	} answer;

	r->header.nlmsg_seq = ++rtnl->sequence;
	if (send(rtnl->fd, r, r->header.nlmsg_len, 0) < 0)
		return -errno;
	do {
		ssize_t n = recv(rtnl->fd, &answer, sizeof(answer), 0);

		if (n < 0)
			return -errno;
		if ((size_t)n < NLMSG_LENGTH(sizeof(answer.error)))
			return -EBADMSG;
	} while (answer.header.nlmsg_seq != rtnl->sequence ||
		answer.header.nlmsg_type != NLMSG_ERROR);
	return answer.error.error;
}

int rtnl_open(struct rtnl *rtnl)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	*rtnl = (struct rtnl){.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
	if (rtnl->fd >= 0 && !connect(rtnl->fd, (struct sockaddr *)&kernel, sizeof(kernel)))
		return 0;
	return -errno;
}

void rtnl_close(struct rtnl *rtnl)
{
	if (rtnl->fd > 0)
		close(rtnl->fd);
	*rtnl = (struct rtnl){0};
}

static int family_of(const struct ipaddr *addr)
{
	return addr->family == 4 ? AF_INET : AF_INET6;
}

int rtnl_start_device(struct rtnl *rtnl, int device, unsigned mtu)
{
	struct ifinfomsg body = {.ifi_index = device, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	struct ifinfomsg quiet = {.ifi_index = device};
	struct request r = request_make(RTM_NEWLINK, 0, &quiet, sizeof(quiet));
	struct rtattr *families = add_attribute(&r, IFLA_AF_SPEC, NULL, 0);
	struct rtattr *inet6 = add_attribute(&r, AF_INET6, NULL, 0);

	add_attribute(&r, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	close_attribute(&r, inet6);
	close_attribute(&r, families);
	// a kernel without IPv6 has no such attribute, and no such address
	ask(rtnl, &r);
	r = request_make(RTM_NEWLINK, 0, &body, sizeof(body));
	add_number(&r, IFLA_MTU, mtu);
	return ask(rtnl, &r);
}

int rtnl_add_address(struct rtnl *rtnl, int device, const struct ipaddr *addr)
{
	struct ifaddrmsg body = {
		.ifa_family = (uint8_t)family_of(addr),
		.ifa_prefixlen = (uint8_t)ipaddr_bits(addr),
		.ifa_flags = IFA_F_NODAD,
		.ifa_index = (uint32_t)device,
	};
	struct request r =
		request_make(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));

	add_address(&r, IFA_LOCAL, addr);
	add_address(&r, IFA_ADDRESS, addr);
	return ask(rtnl, &r);
}

int rtnl_add_default(struct rtnl *rtnl, int device, uint8_t family, uint32_t table)
{
	struct rtmsg body = {
		.rtm_family = family == 4 ? AF_INET : AF_INET6,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
	};
	struct request r =
		request_make(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof(body));

	add_number(&r, RTA_TABLE, table);
	add_number(&r, RTA_OIF, (uint32_t)device);
	return ask(rtnl, &r);
}

static int ask_about_rule(
	struct rtnl *rtnl, uint16_t type, uint16_t flags, const struct ipaddr *from, uint32_t table)
{
	struct fib_rule_hdr body = {
		.family = (uint8_t)family_of(from),
		.src_len = (uint8_t)ipaddr_bits(from),
		.action = FR_ACT_TO_TBL,
	};
	struct request r = request_make(type, flags, &body, sizeof(body));

	add_number(&r, FRA_PRIORITY, RULE_PRIORITY);
	add_address(&r, FRA_SRC, from);
	if (table)
		add_number(&r, FRA_TABLE, table);
	return ask(rtnl, &r);
}

int rtnl_add_rule(struct rtnl *rtnl, const struct ipaddr *from, uint32_t table)
{
	return ask_about_rule(rtnl, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, from, table);
}

void rtnl_drop_rules(struct rtnl *rtnl, const struct ipaddr *from)
{
	for (unsigned i = 0; i < STALE_RULES; i++) {
		if (ask_about_rule(rtnl, RTM_DELRULE, 0, from, 0) < 0)
			break;
	}
}
