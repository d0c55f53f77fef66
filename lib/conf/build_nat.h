// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "conf/conf.h"

// How many routes and how many next hops, at most, the translators take.
unsigned build_nat_routes(const struct config *config);
unsigned build_nat_hops(const struct config *config);

// The number, in subscriber keys, of an instance that has policies in a snapshot.
uint16_t build_instance_number(const struct snapshot *s, uint32_t id);

// How many bits of an IPv6 source tell its worker: all policies of an instance have one way to do so, by bits that
// the subscribers of each have in common.
uint8_t build_steering_bits(const struct snapshot *s, uint32_t id);

// How many prefixes of destinations have routes of their own because they have another name.
unsigned build_dstnat_count(const struct config *config);

// Adds the destinations that are not translated, and marks the routes to them; all routes are there.
unsigned build_pass_count(const struct config *config);
int build_pass(struct snapshot *s, const struct config *config);

// Adds policies, pools and static mappings to a snapshot that has its interfaces and routes.
int build_nat(struct snapshot *s, const struct config *config, const struct build *build,
	struct err *err);

// Adds a next hop, for which there is room. Returns its number.
unsigned build_nexthop(struct snapshot *s, struct nexthop nexthop);
