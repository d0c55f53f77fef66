// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv6 for a world: both interfaces have addresses and neighbours, and subscribers a /56 each.
//
//	inside, 2001:db8:100::/40 behind 2001:db8:2::2       outside, 2001:db8:1::1/64,
//	(address 2001:db8:2::1)                              default route by 2001:db8:1::2

#include "support/world.h"

#define WORLD6_MEMORY_MB 48 // for the routes, besides what the world takes

// Adds it to a world that nothing has passed yet.
void world6_add(struct world *world, uint16_t mtu);

// Adds a next hop, or one for a prefix besides.
unsigned world6_hop(struct world *world, struct nexthop nexthop);
void world6_route(struct world *world, const char *prefix, unsigned hop);

// The place of the next hop to where an address is routed.
unsigned world6_find(const struct world *world, const char *address);
