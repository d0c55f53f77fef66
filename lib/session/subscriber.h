// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The subscribers of one worker: who has mappings or port blocks now. A subscriber is made by its
// first mapping and goes with its last mapping and last block. Number 0 is nobody.

#include "base/subkey.h"
#include "session/bib.h"
#include "table/pool.h"

#include <rte_common.h>

struct subscriber {
	struct subkey key;
	rte_be32_t outside;   // its paired outside address (RFC 6888 REQ-2), once it has a block
	uint32_t first_block; // of its port blocks, newest first; 0: none
	uint8_t blocks;
	uint8_t policy;           // slot
	bool marked;              // has ACL rules
	uint16_t ports[L4_COUNT]; // of its blocks, in use
	uint32_t mappings;        // static ones included
	uint32_t sessions;
	uint32_t tokens;    // of its mapping rate (grant.c), as they were
	uint32_t tokens_at; // at this tick
	union {
		uint64_t refused; // packets that found no port
		uint32_t next_free;
	};
} __rte_cache_aligned;

static_assert(sizeof(struct subscriber) == 64, "a subscriber is one cache line");

struct subscriber_table {
	struct subscriber *subscriber;
	uint32_t size;
	uint32_t used;
	uint32_t fresh;
	uint32_t next_free;
	struct index by_key;
	uint32_t count[SNAPSHOT_MAX_POLICIES]; // by policy slot
};

// The number of a subscriber among the inside hosts with fixed ports of a pool, or UINT32_MAX if it has
// none.
uint32_t subscriber_host(const struct subscriber *subscriber, const struct pool *pool);

// Makes room for `size` subscribers. Returns 0 or -ENOMEM.
int subscriber_init(struct subscriber_table *table, uint32_t size);
void subscriber_fini(struct subscriber_table *table);
uint64_t subscriber_bytes(uint32_t size);

// The hash by which a subscriber is found.
uint64_t subscriber_hash(const struct subscriber_table *table, const struct subkey *key);

// The number of a subscriber with that hash, or 0.
uint32_t subscriber_find_hashed(
	const struct subscriber_table *table, const struct subkey *key, uint64_t hash);
uint32_t subscriber_find(const struct subscriber_table *table, const struct subkey *key);

// Makes a subscriber. Returns its number, or 0 when the table is full.
uint32_t subscriber_add(struct subscriber_table *table, const struct subkey *key, uint8_t policy);

// Takes a subscriber without mappings and blocks out.
void subscriber_remove(struct subscriber_table *table, uint32_t number);
