// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The grants of the box, shared by table.c, which keeps them, and find.c, which answers from them. Nobody else
// includes this.

#include "base/clock.h"
#include "resolve/history.h"
#include "resolve/softwire.h"
#include "resolve/store.h"
#include "resolve/table.h"

// The live grants of one pool: for each entry of the pool, the number of its grant, 0 for none.
struct pool_grants {
	const struct pool *pool;
	int64_t since; // Unix time in milliseconds
	uint32_t *grant;
	uint16_t *live; // by number of an address: how many there are of it
};

struct resolve_table {
	struct resolver resolver;
	struct resolve_env env;
	const struct snapshot *snapshot;
	struct pool_grants pools[SNAPSHOT_MAX_POLICIES]; // by policy slot
	struct block_grant *grant;                       // from 1 to room
	uint32_t *free;                                  // numbers of grants not in use
	uint32_t free_count;
	uint32_t room;
	struct history *history;
	struct store *store; // NULL: history is kept in memory only
};

// What resolve_outside() and the others call.
extern const struct resolver resolve_finder;

// How long a port that was given back is still its last holder's.
static inline int64_t grant_hold_down_ms(const struct nat_policy *policy)
{
	return (int64_t)policy->timers.hold_down * 1000 / TICKS_A_SECOND;
}
