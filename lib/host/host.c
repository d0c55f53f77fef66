// SPDX-License-Identifier: BSD-3-Clause

#include "host/host.h"

#include "base/bits.h"
#include "base/log.h"
#include "net/verdict.h"
#include "table/neighbour.h"

#include "host/rtnl.h"

#include <rte_mbuf.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

// Numbers of routing tables: well above those that people give by hand.
#define TABLE_FIRST    4647000
#define PACKETS_A_TURN 64
#define SEGMENTS_MAX   8

struct device {
	struct host *host;
	struct watch watch;
	int index;
	uint16_t mtu;
	unsigned iface; // number in the snapshot, which an interface keeps
	unsigned addrs;
	struct ipaddr *addr;
	char name[IFNAMSIZ];
};

struct host {
	struct host_env env;
	const struct snapshot *snapshot;
	struct rtnl rtnl;
	struct device *device[SNAPSHOT_MAX_IFACES]; // by interface; NULL: it has none
	struct host_counters counters;
};

struct host *host_new(const struct host_env *env)
{
	struct host *host = calloc(1, sizeof(*host));

	if (host)
		host->env = *env;
	return host;
}

// ------------------------------------------------------------------ devices

static void device_free(struct device *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < d->addrs; i++)
		rtnl_drop_rules(&d->host->rtnl, &d->addr[i]);
	if (d->watch.fn) {
		int fd = d->watch.fd;

		watch_stop(d->host->env.loop, &d->watch);
		close(fd);
	}
	free(d->addr);
	free(d);
}

void host_free(struct host *host)
{
	if (!host)
		return;
	for (unsigned i = 0; i < SNAPSHOT_MAX_IFACES; i++)
		device_free(host->device[i]);
	rtnl_close(&host->rtnl);
	free(host);
}

// What one read may bring: the kernel makes no packet larger than the MTU.
static uint16_t mtu_of(const struct host *host, const struct iface *iface)
{
	uint16_t room =
		(uint16_t)(rte_pktmbuf_data_room_size(host->env.mbufs) - RTE_PKTMBUF_HEADROOM);

	return iface->mtu < room ? iface->mtu : room;
}

static bool is_same(const struct host *host, const struct device *d, const struct iface *iface)
{
	if (strcmp(d->name, iface->host_device) || d->mtu != mtu_of(host, iface) ||
		d->addrs != iface->addrs)
		return false;
	for (unsigned i = 0; i < d->addrs; i++) {
		if (ipaddr_compare(&d->addr[i], &iface->addr[i].addr))
			return false;
	}
	return true;
}

static void on_packets(struct watch *watch, uint32_t events);

// An IP device of this name, which goes when its descriptor is closed.
static int open_tun(struct device *d)
{
	struct ifreq request = {.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL)};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, d->name, sizeof(request.ifr_name));
	if (ioctl(fd, TUNSETIFF, &request) < 0 ||
		ioctl(d->host->rtnl.fd, SIOCGIFINDEX, &request) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	d->index = request.ifr_ifindex;
	rc = watch_start(d->host->env.loop, &d->watch, fd, EPOLLIN, on_packets);
	if (rc < 0)
		close(fd);
	return rc;
}

static int set_up(struct device *d)
{
	struct rtnl *rtnl = &d->host->rtnl;
	uint32_t table = TABLE_FIRST + d->iface;
	int rc = rtnl_start_device(rtnl, d->index, d->mtu);

	for (unsigned i = 0; i < d->addrs && rc == 0; i++) {
		const struct ipaddr *addr = &d->addr[i];

		rtnl_drop_rules(rtnl, addr);
		rc = rtnl_add_address(rtnl, d->index, addr);
		if (rc == 0)
			rc = rtnl_add_default(rtnl, d->index, addr->family, table);
		if (rc == 0)
			rc = rtnl_add_rule(rtnl, addr, table);
	}
	return rc;
}

static int device_make(struct host *host, unsigned number, struct err *err)
{
	const struct iface *iface = &host->snapshot->iface[number];
	struct device *d = calloc(1, sizeof(*d));
	int rc = host->rtnl.fd > 0 ? 0 : rtnl_open(&host->rtnl);

	if (!d)
		return err_code(err, -ENOMEM, "out of memory");
	d->host = host;
	d->iface = number;
	d->mtu = mtu_of(host, iface);
	d->addr = calloc(iface->addrs + 1, sizeof(*d->addr));
	if (!d->addr && rc == 0)
		rc = -ENOMEM;
	memcpy(d->name, iface->host_device, sizeof(d->name));
	if (rc == 0)
		rc = open_tun(d);
	if (rc == 0) {
		for (unsigned i = 0; i < iface->addrs; i++)
			d->addr[i] = iface->addr[i].addr;
		d->addrs = iface->addrs;
		rc = set_up(d);
	}
	if (rc == 0) {
		host->device[number] = d;
		log_info("host", "%s: %s stands for interface %s", d->name, d->name, iface->name);
		return 0;
	}
	device_free(d);
	return err_set(err,
		"/ietf-interfaces:interfaces/interface[name='%s']/homeport:host-device: cannot make %s: "
		"%s%s",
		iface->name, iface->host_device, strerror(-rc),
		rc == -EPERM ? " (it takes CAP_NET_ADMIN)" : "");
}

int host_adopt(struct host *host, const struct snapshot *snapshot, struct err *err)
{
	int rc = 0;

	host->snapshot = snapshot;
	// old ones first: a new one may have the name or an address of theirs
	for (unsigned i = 0; i < SNAPSHOT_MAX_IFACES; i++) {
		const struct iface *iface = &snapshot->iface[i];

		if (!host->device[i] ||
			(i < snapshot->ifaces && is_same(host, host->device[i], iface)))
			continue;
		device_free(host->device[i]);
		host->device[i] = NULL;
	}
	for (unsigned i = 0; i < snapshot->ifaces; i++) {
		if (snapshot->iface[i].host_device[0] && !host->device[i] &&
			device_make(host, i, err) < 0)
			rc = -EINVAL;
	}
	return rc;
}

const struct host_counters *host_counters(const struct host *host)
{
	return &host->counters;
}

// ------------------------------------------------------------------ to the kernel

void host_take(struct host *host, const struct msg *msg)
{
	struct device *d = host->device[msg->punt.iface];
	struct iovec slice[SEGMENTS_MAX];
	int slices = 0;

	for (struct rte_mbuf *m = msg->punt.mbuf; m && slices < SEGMENTS_MAX; m = m->next)
		slice[slices++] =
			(struct iovec){rte_pktmbuf_mtod(m, void *), rte_pktmbuf_data_len(m)};
	if (d && writev(d->watch.fd, slice, slices) >= 0)
		host->counters.delivered++;
	else
		host->counters.refused++;
	rte_pktmbuf_free(msg->punt.mbuf);
}

// ------------------------------------------------------------------ from the kernel

// Says by which interface and neighbour a packet leaves. False if there is no way.
static bool find_way4(const struct host *host, const uint8_t *ip, struct msg *msg)
{
	const struct nexthop *nh;
	rte_be32_t to;

	memcpy(&to, ip + 16, sizeof(to));
	nh = snapshot_route(host->snapshot, rte_be_to_cpu_32(to));
	if (nh->kind != NEXTHOP_GATEWAY && nh->kind != NEXTHOP_CONNECTED)
		return false;
	msg->wanted.iface = nh->iface;
	msg->wanted.neighbour = nh->kind == NEXTHOP_GATEWAY ? nh->neighbour : NEIGHBOUR_NONE;
	msg->wanted.addr = ipaddr_v4(to);
	return true;
}

// There are no IPv6 routes: whoever is on the device's own link is reached.
static bool find_way6(const struct device *d, const uint8_t *ip, struct msg *msg)
{
	const struct iface *iface = &d->host->snapshot->iface[d->iface];

	msg->wanted.iface = (uint8_t)d->iface;
	msg->wanted.neighbour = NEIGHBOUR_NONE;
	msg->wanted.addr = ipaddr_v6(ip + 24);
	for (unsigned i = 0; i < iface->addrs; i++) {
		struct ipprefix net = ipprefix_make(&iface->addr[i].addr, iface->addr[i].len);

		if (ipprefix_has(&net, &msg->wanted.addr))
			return true;
	}
	return false;
}

static bool find_way(const struct device *d, struct rte_mbuf *m, struct msg *msg)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t length = rte_pktmbuf_data_len(m);

	if (length >= 20 && ip[0] >> 4 == 4)
		return find_way4(d->host, ip, msg);
	return length >= 40 && ip[0] >> 4 == 6 && find_way6(d, ip, msg);
}

static void send_on(struct device *d, struct rte_mbuf *m)
{
	struct host *host = d->host;
	struct msg msg = {.type = MSG_NEIGHBOUR_WANTED, .wanted = {.mbuf = m, .verdict = V_COUNT}};

	if (!find_way(d, m, &msg)) {
		host->counters.unroutable++;
		rte_pktmbuf_free(m);
		return;
	}
	msg.worker = (uint16_t)host->env.worker_of(host->env.ctx, msg.wanted.iface);
	host->counters.sent++;
	host->env.send(host->env.ctx, &msg);
}

static void on_packets(struct watch *watch, uint32_t events)
{
	struct device *d = CONTAINER_OF(watch, struct device, watch);

	(void)events;
	for (unsigned i = 0; i < PACKETS_A_TURN; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(d->host->env.mbufs);
		uint8_t spare[64];
		ssize_t n;

		// without a buffer the packet is taken from the device all the same, or it would wake us again
		n = m ? read(watch->fd, rte_pktmbuf_mtod(m, void *), rte_pktmbuf_tailroom(m))
		      : read(watch->fd, spare, sizeof(spare));
		if (n <= 0) {
			rte_pktmbuf_free(m);
			break;
		}
		if (!m) {
			d->host->counters.unroutable++;
			continue;
		}
		rte_pktmbuf_append(m, (uint16_t)n);
		send_on(d, m);
	}
}
