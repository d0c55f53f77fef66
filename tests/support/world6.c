// SPDX-License-Identifier: BSD-3-Clause

#include "support/world6.h"

#include "table/neighbour.h"

#include <rte_fib6.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ipaddr address_of(const char *text)
{
	struct ipaddr addr;

	if (ipaddr_parse(text, &addr) < 0) {
		fprintf(stderr, "world: %s is no address\n", text);
		exit(1);
	}
	return addr;
}

unsigned world6_hop(struct world *world, struct nexthop nexthop)
{
	struct snapshot *s = world->snapshot;

	if (s->nexthops == world->hops) {
		fprintf(stderr, "world: no room for next hops\n");
		exit(1);
	}
	if (!nexthop.mtu)
		nexthop.mtu = UINT16_MAX;
	s->nexthop[s->nexthops] = nexthop;
	return s->nexthops++;
}

void world6_route(struct world *world, const char *text, unsigned hop)
{
	struct ipprefix prefix;

	if (ipprefix_parse(text, &prefix, NULL) < 0 ||
		snapshot_add_route6(world->snapshot, prefix.addr.bytes, prefix.len, hop) < 0) {
		fprintf(stderr, "world: no route to %s\n", text);
		exit(1);
	}
}

unsigned world6_find(const struct world *world, const char *address)
{
	struct ipaddr addr = address_of(address);

	return (unsigned)(snapshot_route6(world->snapshot, addr.bytes) - world->snapshot->nexthop);
}

static void add_iface(struct world *world, unsigned n, const char *address, uint16_t mtu)
{
	struct iface *iface = &world->snapshot->iface[n];
	struct ipaddr addr = address_of(address);
	struct ipprefix net = ipprefix_make(&addr, 64);
	char text[IPPREFIX_TEXT];
	unsigned hop;

	iface->mtu6 = mtu;
	iface->forwards6 = true;
	iface->validation = VALIDATE_INSIDE;
	iface->has_addr6 = true;
	memcpy(iface->addr6, addr.bytes, sizeof(iface->addr6));
	iface->addr = reallocarray(iface->addr, iface->addrs + 1, sizeof(*iface->addr));
	if (!iface->addr) {
		fprintf(stderr, "world: no memory for addresses\n");
		exit(1);
	}
	iface->addr[iface->addrs++] = (struct iface_addr){addr, 64};
	hop = world6_hop(world,
		(struct nexthop){.kind = NEXTHOP_CONNECTED,
			.iface = (uint8_t)n,
			.realm = iface->realm,
			.mtu = mtu,
			.neighbour = NEIGHBOUR_NONE});
	world6_route(world, ipprefix_format(&net, text), hop);
	hop = world6_hop(world, (struct nexthop){.kind = NEXTHOP_LOCAL, .iface = (uint8_t)n});
	world6_route(world, address, hop);
}

static void add_gateway(struct world *world, unsigned n, const char *prefix, const char *address,
	uint8_t station, uint16_t mtu)
{
	struct rte_ether_addr mac = {{2, 0, 0, 0, 0, station}};
	struct ipaddr addr = address_of(address);
	struct nexthop hop = {.kind = NEXTHOP_GATEWAY,
		.iface = (uint8_t)n,
		.realm = world->snapshot->iface[n].realm,
		.mtu = mtu,
		.neighbour = neighbour_add(world->neighbours, (uint8_t)n, &addr)};

	neighbour_set(world->neighbours, hop.neighbour, &mac);
	world6_route(world, prefix, world6_hop(world, hop));
}

void world6_add(struct world *world, uint16_t mtu)
{
	struct snapshot *s = world->snapshot;
	struct rte_fib6_conf conf = {
		.type = RTE_FIB6_TRIE,
		.max_routes = 64,
		.trie = {.nh_sz = RTE_FIB6_TRIE_2B, .num_tbl8 = 256},
	};

	s->fib6 = rte_fib6_create("world6", SOCKET_ID_ANY, &conf);
	s->network = calloc(1, sizeof(*s->network));
	if (!s->fib6 || !s->network) {
		fprintf(stderr, "world: no memory for IPv6\n");
		exit(1);
	}
	world6_route(world, "fe80::/10", 0);
	add_iface(world, WORLD_INSIDE, "2001:db8:2::1", mtu);
	add_iface(world, WORLD_OUTSIDE, "2001:db8:1::1", mtu);
	add_gateway(world, WORLD_INSIDE, "2001:db8:100::/40", "2001:db8:2::2", 0x02, mtu);
	add_gateway(world, WORLD_OUTSIDE, "::/0", "2001:db8:1::2", 0x12, mtu);
	ipprefix_parse("2001:db8:100::/40", &s->network[0].prefix, NULL);
	s->network[0].len = 56;
	s->networks = 1;
}
