// SPDX-License-Identifier: BSD-3-Clause

// Configuration to snapshot, part one: interfaces, devices, routes. Interfaces and devices that were there
// before keep their numbers, since packets on their way carry them.

#include "base/bits.h"
#include "conf/aftr.h"
#include "conf/build_nat.h"
#include "conf/build_softwire.h"
#include "conf/conf.h"
#include "conf/nat64.h"
#include "conf/native.h"
#include "table/neighbour.h"

#include <libyang/libyang.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_ip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VLANS 4096

// Next hops, and second-level tables of /24 networks with longer prefixes, that the route table can name.
#define ENTRY_MAX INT16_MAX

static int find_port(const struct snapshot *s, const char *device)
{
	for (unsigned i = 0; i < s->ports; i++) {
		if (!strcmp(s->device[i], device))
			return (int)i;
	}
	return -1;
}

static int find_iface(const struct snapshot *s, const char *name)
{
	for (unsigned i = 0; i < s->ifaces; i++) {
		if (!strcmp(s->iface[i].name, name))
			return (int)i;
	}
	return -1;
}

static void add_ports(struct snapshot *s, const struct config *config, const struct snapshot *old)
{
	for (unsigned i = 0; old && i < old->ports; i++)
		snprintf(s->device[s->ports++], sizeof(s->device[0]), "%s", old->device[i]);
	for (unsigned i = 0; i < config->ifaces; i++) {
		const char *device = config->iface[i].device;

		if (find_port(s, device) < 0)
			snprintf(s->device[s->ports++], sizeof(s->device[0]), "%s", device);
	}
}

// The number an interface has: its old one, or the first that neither snapshot uses.
static unsigned iface_number(const struct snapshot *s, const char *name, const struct snapshot *old)
{
	int number = old ? find_iface(old, name) : -1;

	if (number >= 0)
		return (unsigned)number;
	for (unsigned i = 0;; i++) {
		if (!s->iface[i].name[0] && (!old || i >= old->ifaces || !old->iface[i].name[0]))
			return i;
	}
}

static int add_iface(struct snapshot *s, const struct config_iface *from, unsigned number)
{
	struct iface *iface = &s->iface[number];
	int port = find_port(s, from->device);

	*iface = (struct iface){
		.mac = from->mac,
		.port = (uint8_t)port,
		.realm = from->realm,
		.enabled = from->enabled,
		.promiscuous = from->promiscuous,
		.icmp_errors = from->icmp_errors,
		.vlan = from->vlan,
		.mtu = from->mtu,
		.mtu6 = (uint16_t)from->mtu6,
		.forwards6 = from->forwarding6,
		.validation = from->validation,
		.addrs = from->addrs,
	};
	snprintf(iface->name, sizeof(iface->name), "%s", from->name);
	if (from->enabled && from->host_device)
		snprintf(iface->host_device, sizeof(iface->host_device), "%s", from->host_device);
	if (number >= s->ifaces)
		s->ifaces = number + 1;
	iface->addr = calloc(from->addrs ? from->addrs : 1, sizeof(*iface->addr));
	if (!iface->addr)
		return -ENOMEM;
	for (unsigned i = 0; i < from->addrs; i++) {
		const struct ipaddr *addr = &from->addr[i].addr;

		iface->addr[i] = (struct iface_addr){*addr, from->addr[i].len};
		if (!iface->addr4 && addr->family == 4)
			iface->addr4 = ipaddr_be32(addr);
		if (!iface->has_addr6 && addr->family == 6 && !ipaddr_is_link_local(addr)) {
			iface->has_addr6 = true;
			memcpy(iface->addr6, addr->bytes, sizeof(iface->addr6));
		}
	}
	if (iface->enabled)
		s->iface_of[port][iface->vlan] = (uint8_t)number;
	return 0;
}

static int add_ifaces(struct snapshot *s, const struct config *config, const struct snapshot *old)
{
	add_ports(s, config, old);
	for (unsigned i = 0; i < s->ports; i++) {
		s->iface_of[i] = malloc(VLANS);
		if (!s->iface_of[i])
			return -ENOMEM;
		memset(s->iface_of[i], UINT8_MAX, VLANS);
	}
	for (unsigned i = 0; i < config->ifaces; i++) {
		const struct config_iface *f = &config->iface[i];

		if (add_iface(s, f, iface_number(s, f->name, old)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int add_static_neighbours(struct snapshot *s, const struct config *config)
{
	unsigned total = 0;

	for (unsigned i = 0; i < config->ifaces; i++)
		total += config->iface[i].neighbours;
	s->neighbour = calloc(total + 1, sizeof(*s->neighbour));
	if (!s->neighbour)
		return -ENOMEM;
	for (unsigned i = 0; i < config->ifaces; i++) {
		const struct config_iface *f = &config->iface[i];

		for (unsigned k = 0; k < f->neighbours; k++)
			s->neighbour[s->neighbours++] = (struct static_neighbour){
				.iface = (uint8_t)find_iface(s, f->name),
				.addr = f->neighbour[k].addr,
				.mac = f->neighbour[k].mac,
			};
	}
	return 0;
}

unsigned build_nexthop(struct snapshot *s, struct nexthop nexthop)
{
	if (!nexthop.mtu)
		nexthop.mtu = UINT16_MAX;
	s->nexthop[s->nexthops] = nexthop;
	return s->nexthops++;
}

// Routes to an interface's own addresses and networks. The first and last address of a network are
// nobody's (RFC 1812 section 4.2.3.1).
static int add_networks(struct snapshot *s, unsigned number)
{
	const struct iface *iface = &s->iface[number];
	unsigned local, connected, nobody;
	int rc = 0;

	local = build_nexthop(s, (struct nexthop){.kind = NEXTHOP_LOCAL, .iface = (uint8_t)number});
	connected = build_nexthop(s,
		(struct nexthop){.kind = NEXTHOP_CONNECTED,
			.iface = (uint8_t)number,
			.realm = iface->realm,
			.mtu = iface->mtu,
			.neighbour = NEIGHBOUR_NONE});
	nobody = build_nexthop(s, (struct nexthop){.kind = NEXTHOP_BROADCAST});
	for (unsigned i = 0; i < iface->addrs && rc >= 0; i++) {
		uint32_t address = rte_be_to_cpu_32(ipaddr_be32(&iface->addr[i].addr));
		unsigned len = iface->addr[i].len;
		uint32_t hosts = len < 32 ? UINT32_MAX >> len : 0;

		if (iface->addr[i].addr.family != 4)
			continue;
		rc = snapshot_add_route(s, address & ~hosts, len, connected);
		if (len < 31 && rc >= 0)
			rc = snapshot_add_route(s, address & ~hosts, 32, nobody);
		if (len < 31 && rc >= 0)
			rc = snapshot_add_route(s, address | hosts, 32, nobody);
		if (rc >= 0)
			rc = snapshot_add_route(s, address, 32, local);
	}
	return rc;
}

// The interface that a gateway is on: the one named, or the one whose network it is in.
static int gateway_iface(const struct snapshot *s, const struct ipaddr *address, const char *name)
{
	if (name)
		return find_iface(s, name);
	for (unsigned i = 0; i < s->ifaces; i++) {
		for (unsigned k = 0; k < s->iface[i].addrs; k++) {
			struct ipprefix net =
				ipprefix_make(&s->iface[i].addr[k].addr, s->iface[i].addr[k].len);

			if (ipprefix_has(&net, address))
				return (int)i;
		}
	}
	return -1;
}

// A gateway; no next hop if its interface is off.
static int make_gateway(struct snapshot *s, const struct ipaddr *address, const char *name,
	const struct build *build, struct nexthop *hop, struct err *err)
{
	int number = gateway_iface(s, address, name);
	const struct iface *iface = &s->iface[number];

	*hop = (struct nexthop){
		.kind = NEXTHOP_GATEWAY,
		.iface = (uint8_t)number,
		.realm = iface->realm,
		.mtu = address->family == 4 ? iface->mtu : iface->mtu6,
		.neighbour = neighbour_add(build->neighbours, (uint8_t)number, address),
	};
	if (hop->neighbour == NEIGHBOUR_NONE)
		return err_set(err,
			"/homeport:homeport/platform/max-neighbours: the neighbour table is full");
	if (!iface->enabled)
		*hop = (struct nexthop){.kind = NEXTHOP_NONE};
	return 0;
}

static int add_static_route(struct snapshot *s, const struct config_route *r,
	const struct build *build, struct err *err)
{
	const struct ipprefix *to = &r->destination;
	struct nexthop hop = {.kind = NEXTHOP_BLACKHOLE};

	if (r->kind == ROUTE_NEXT_HOP &&
		make_gateway(s, &r->address, r->iface, build, &hop, err) < 0)
		return -1;
	if (to->addr.family == 6)
		return snapshot_add_route6(s, to->addr.bytes, to->len, build_nexthop(s, hop));
	return snapshot_add_route(
		s, rte_be_to_cpu_32(ipaddr_be32(&to->addr)), to->len, build_nexthop(s, hop));
}

// What the IPv6 route table has to hold: a prefix longer than /24 needs a second-level table for each byte
// beyond.
struct fib6_size {
	unsigned routes;
	unsigned tables;
};

static void fib6_count(struct fib6_size *size, unsigned len)
{
	size->routes++;
	size->tables += len > 24 ? (len - 24 + 7) / 8 : 0;
}

static void fib6_count_prefix(void *size, unsigned len)
{
	fib6_count(size, len);
}

static struct fib6_size fib6_size(const struct snapshot *s, const struct config *config)
{
	struct fib6_size size = {0};

	for (unsigned i = 0; i < s->ifaces; i++) {
		for (unsigned k = 0; k < s->iface[i].addrs; k++) {
			if (s->iface[i].addr[k].addr.family != 6)
				continue;
			fib6_count(&size, s->iface[i].addr[k].len);
			fib6_count(&size, 128);
		}
	}
	for (unsigned i = 0; i < config->routes; i++) {
		if (config->route[i].destination.addr.family == 6)
			fib6_count(&size, config->route[i].destination.len);
	}
	build_nat64_prefixes(config, fib6_count_prefix, &size);
	build_softwire_prefixes(config, fib6_count_prefix, &size);
	for (unsigned i = 0; i < config->aftrs; i++)
		fib6_count(&size, 128);
	return size;
}

// Makes an IPv6 route table if anything will stand in it; link-local addresses never have a way.
static int make_fib6(
	struct snapshot *s, const struct config *config, const struct build *build, struct err *err)
{
	static const uint8_t link_local[16] = {0xfe, 0x80};
	struct fib6_size size = fib6_size(s, config);
	struct rte_fib6_conf fib = {
		.type = RTE_FIB6_TRIE,
		.default_nh = 0,
		.trie = {.nh_sz = RTE_FIB6_TRIE_2B},
	};
	char name[32];

	if (!size.routes)
		return 0;
	if (size.tables >= ENTRY_MAX)
		return err_set(err,
			"IPv6 routes and addresses need %u tables. Allowed: up to %d, one for each "
			"8 bits that a prefix is longer than /24",
			size.tables, ENTRY_MAX - 1);
	fib.max_routes = (int)size.routes + 1;
	fib.trie.num_tbl8 = size.tables + 1;
	snprintf(name, sizeof(name), "fib6-%u", build->generation);
	s->fib6 = rte_fib6_create(name, SOCKET_ID_ANY, &fib);
	if (!s->fib6)
		return err_set(err, "/homeport:homeport/platform/memory: no room for the routes");
	return snapshot_add_route6(s, link_local, 10, 0);
}

// The same for IPv6. Link-local addresses have no routes: each interface has its own.
static int add_networks6(struct snapshot *s, unsigned number)
{
	const struct iface *iface = &s->iface[number];
	unsigned local, connected;
	int rc = 0;

	local = build_nexthop(s, (struct nexthop){.kind = NEXTHOP_LOCAL, .iface = (uint8_t)number});
	connected = build_nexthop(s,
		(struct nexthop){.kind = NEXTHOP_CONNECTED,
			.iface = (uint8_t)number,
			.realm = iface->realm,
			.mtu = iface->mtu6,
			.neighbour = NEIGHBOUR_NONE});
	for (unsigned i = 0; i < iface->addrs && rc >= 0; i++) {
		const struct ipaddr *addr = &iface->addr[i].addr;
		struct ipprefix net = ipprefix_make(addr, iface->addr[i].len);

		if (addr->family != 6 || ipaddr_is_link_local(addr))
			continue;
		rc = snapshot_add_route6(s, net.addr.bytes, net.len, connected);
		if (rc >= 0)
			rc = snapshot_add_route6(s, addr->bytes, 128, local);
	}
	return rc;
}

// No route leads there: only mitigations do.
static int add_scrubber(struct snapshot *s, const struct ipaddr *address, const struct build *build,
	uint32_t *place, struct err *err)
{
	struct nexthop hop;

	if (!address->family)
		return 0;
	if (make_gateway(s, address, NULL, build, &hop, err) < 0)
		return -1;
	if (hop.kind == NEXTHOP_GATEWAY)
		*place = build_nexthop(s, hop);
	return 0;
}

static int add_routes(
	struct snapshot *s, const struct config *config, const struct build *build, struct err *err)
{
	unsigned own = 18 + config->routes; // and the interfaces'
	unsigned asked = build_pass_count(config), renamed = build_dstnat_count(config);
	unsigned routes =
		build_nat_routes(config) + asked + renamed + build_softwire_routes(config);
	unsigned hops = build_nat_hops(config) + build_softwire_hops(config);
	struct rte_fib_conf fib = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = 0,
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_2B},
	};
	char name[32];
	int rc = 0;

	hops += config->aftrs;
	for (unsigned i = 0; i < s->ifaces; i++)
		own += 5 + 4 * s->iface[i].addrs;
	routes += own;
	// a marked next hop is a copy (marks.h), also of one that has another mark
	hops += own << ((asked != 0) + (renamed != 0));
	if (hops > ENTRY_MAX)
		return err_set(
			err, "%u routes, pools and addresses. Allowed: up to %d", hops, ENTRY_MAX);
	fib.max_routes = (int)routes;
	fib.dir24_8.num_tbl8 = min_u32(routes + 1, ENTRY_MAX);
	snprintf(name, sizeof(name), "fib-%u", build->generation);
	s->fib = rte_fib_create(name, SOCKET_ID_ANY, &fib);
	s->nexthop = calloc(hops, sizeof(*s->nexthop));
	if (!s->fib || !s->nexthop)
		return err_set(err, "/homeport:homeport/platform/memory: no room for the routes");
	build_nexthop(s, (struct nexthop){.kind = NEXTHOP_NONE});
	// there aliases of inside hosts are, and nobody else
	rc = snapshot_add_route(s, RTE_IPV4(240u, 0, 0, 0), 4, 0);
	if (rc >= 0)
		rc = make_fib6(s, config, build, err);
	for (unsigned i = 0; i < s->ifaces && rc >= 0; i++) {
		if (s->iface[i].enabled && s->iface[i].name[0])
			rc = add_networks(s, i) < 0 ? -1 : add_networks6(s, i);
	}
	for (unsigned i = 0; i < config->routes && rc >= 0; i++)
		rc = add_static_route(s, &config->route[i], build, err);
	if (rc >= 0)
		rc = add_scrubber(s, &config->scrubber, build, &s->scrubber, err);
	return rc < 0 ? rc : add_scrubber(s, &config->scrubber6, build, &s->scrubber6, err);
}

// The wider of two that begin alike comes first.
static int compare_prefixes(const void *a, const void *b)
{
	const struct ipprefix *x = a, *y = b;
	int order = ipaddr_compare(&x->addr, &y->addr);

	return order ? order : x->len - y->len;
}

// Those that may come from anywhere are strangers until they have shown who they are.
static int add_homes(struct snapshot *s, const struct config *config)
{
	unsigned homes = 0;

	s->home = calloc(config->client.homes + 1, sizeof(*s->home));
	if (!s->home)
		return -ENOMEM;
	for (unsigned i = 0; i < config->client.homes; i++) {
		const struct config_home *h = &config->client.home[i];

		if (!h->any_source)
			s->home[homes++] = h->subscriber;
	}
	qsort(s->home, homes, sizeof(*s->home), compare_prefixes);
	for (unsigned i = 0; i < homes; i++) {
		// one within another's prefix is expected from there already
		if (!s->homes || !ipprefix_covers(&s->home[s->homes - 1], &s->home[i]))
			s->home[s->homes++] = s->home[i];
	}
	return 0;
}

struct snapshot *conf_build(const struct config *config, const struct build *build, struct err *err)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	err_set(err, "out of memory");
	if (!s)
		return NULL;
	s->generation = build->generation;
	s->copy_rate = config->inspect.copy_rate;
	if (add_ifaces(s, config, build->old) < 0 || add_static_neighbours(s, config) < 0 ||
		add_homes(s, config) < 0 || add_routes(s, config, build, err) < 0 ||
		build_native(s, config) < 0 || build_nat(s, config, build, err) < 0 ||
		build_aftrs(s, config) < 0 || build_softwires(s, config, build, err) < 0) {
		conf_release(s, build->old, build);
		return NULL;
	}
	return s;
}

void conf_release(struct snapshot *s, const struct snapshot *next, const struct build *build)
{
	if (!s)
		return;
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		struct nat_policy *policy = s->policy[slot];
		const struct nat_policy *heir = next ? next->policy[slot] : NULL;

		if (!policy || (heir && heir->pool == policy->pool))
			continue;
		for (unsigned i = 0; policy->share && i < build->workers; i++)
			build->share_free(policy->share[i]);
		pool_free(policy->pool);
	}
	release_softwires(s, next);
	snapshot_free(s);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

int conf_can_replace(const struct config *running, const struct config *next, struct err *err)
{
	// every leaf, so that none is ever taken over without effect
	if (lyd_compare_single(running->platform.node, next->platform.node,
		    LYD_COMPARE_FULL_RECURSION) != LY_SUCCESS)
		return err_set(err, "/homeport:homeport/platform: changes take a restart");
	if (running->max_rules != next->max_rules)
		return err_set(err, "/homeport:homeport/dots/max-rules: a change takes a restart");
	if (!same_text(running->state_file, next->state_file) ||
		running->audit_retention != next->audit_retention ||
		running->audit_size != next->audit_size)
		return err_set(err,
			"/homeport:homeport/dots: changes of state-file, audit-retention and "
			"audit-size take a restart");
	if (!same_text(running->history_file, next->history_file) ||
		running->history_file_size != next->history_file_size ||
		running->history_size != next->history_size ||
		running->history_retention != next->history_retention)
		return err_set(err, "/homeport:homeport/resolve: changes take a restart");
	if (!same_text(running->socket, next->socket))
		return err_set(
			err, "/homeport:homeport/management/socket: a change takes a restart");
	for (unsigned i = 0; i < next->ifaces; i++) {
		bool known = false;

		for (unsigned k = 0; k < running->ifaces; k++)
			known |= same_text(running->iface[k].device, next->iface[i].device);
		if (!known)
			return err_set(err,
				"/ietf-interfaces:interfaces/interface[name='%s']/homeport:device: "
				"a new device takes a restart",
				next->iface[i].name);
	}
	return 0;
}
