// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The B4s of one worker's DS-Lite subscribers, by their softwires: which address each was last seen with, and
// since when (RFC 7785). A B4 is made by the first host behind it, and goes with the last: the aliases of
// those hosts are a list. Number 0 is nobody.

#include "base/subkey.h"
#include "session/index.h"
#include "table/snapshot.h"

#include <rte_common.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct b4 {
	struct subkey subscriber;
	uint8_t address[16];
	uint32_t changed;     // tick at which it was seen with this address first
	uint32_t first_alias; // of the hosts behind it
	uint32_t aliases;
	uint32_t next_free;
	bool moved; // has had another address before
} __rte_cache_aligned;

static_assert(sizeof(struct b4) == 64, "a B4 is one cache line");

struct b4_table {
	struct b4 *b4;
	uint32_t size;
	uint32_t used; // has one writer; the control thread reads it
	uint32_t fresh;
	uint32_t next_free;
	struct index by_subscriber;
	uint32_t count[SNAPSHOT_MAX_POLICIES]; // by number of the NAT instance; as `used`
};

// Makes room for `size` B4s. Returns 0 or -ENOMEM.
int b4_init(struct b4_table *table, uint32_t size);
void b4_fini(struct b4_table *table);
uint64_t b4_bytes(uint32_t size);

// The B4s of a subscriber: how many there are, one of them (0: none), and the one with this address (0: none has
// it).
struct b4_found {
	unsigned count;
	uint32_t any;
	uint32_t same;
};

struct b4_found b4_find(
	const struct b4_table *table, const struct subkey *subscriber, const uint8_t address[16]);

// Makes a B4 without hosts. Returns its number, or 0 when the table is full.
uint32_t b4_add(struct b4_table *table, const struct subkey *subscriber, const uint8_t address[16],
	uint32_t now);

// Takes out a B4 that no host is behind any more.
void b4_remove(struct b4_table *table, uint32_t number);
