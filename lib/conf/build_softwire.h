// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "conf/conf.h"

// How many IPv4 routes and next hops, at most, the border relays take.
unsigned build_softwire_routes(const struct config *config);
unsigned build_softwire_hops(const struct config *config);

// Tells `fn` the length of each prefix that they have an IPv6 route to.
void build_softwire_prefixes(
	const struct config *config, void (*fn)(void *ctx, unsigned len), void *ctx);

// Adds them to a snapshot that has its other routes. The binding tables of instances that were there before
// stay as they are: what is to change is noted in the snapshot.
int build_softwires(struct snapshot *s, const struct config *config, const struct build *build,
	struct err *err);

// Frees the states of border relays that `next` (NULL: none) has not, and changes that were not made.
void release_softwires(struct snapshot *s, const struct snapshot *next);
