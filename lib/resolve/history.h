// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Ended grants of port blocks, found by outside address. A report of an attack may come after the block
// went to somebody else: then the time decides who is meant.
//
// The newest are in memory; with a store (store.h) the older ones are on disk, and those of earlier runs.

#include "base/subkey.h"

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stdint.h>

struct store;

struct block_grant {
	struct subkey subscriber; // its instance has the number that it had at the time
	uint32_t instance_id;     // of the configuration, which lasts longer than the number
	rte_be32_t outside;
	uint16_t first_port; // host order
	uint16_t last_port;
	int64_t from; // Unix time in milliseconds
	int64_t until;
};

// What of an address is asked for; ports and times include both ends.
struct grant_query {
	rte_be32_t outside;
	uint16_t lower;
	uint16_t upper;
	int64_t from;
	int64_t until;
};

struct history;

// Remembers `size` grants in memory for `retention_ms` each, and in the store (NULL: none), which stays
// the caller's. Returns NULL if memory runs out.
struct history *history_new(uint32_t size, int64_t retention_ms, struct store *store);
void history_free(struct history *history);

// Adds a grant that has ended; the oldest in memory makes room for it.
void history_add(struct history *history, const struct block_grant *grant);

// The next grant, newest first, that a query asks for. *cursor is 0 to begin. Returns false at the end.
bool history_find(struct history *history, uint64_t *cursor, const struct grant_query *query,
	int64_t now, struct block_grant *out);

// Calls fn for every grant that ended at `since` or later.
void history_recent(const struct history *history, int64_t since,
	void (*fn)(void *ctx, const struct block_grant *grant), void *ctx);
