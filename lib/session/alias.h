// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Aliases: what stands in NAT44's state for an inside host that has no IPv4 address of its own there: a host
// behind NAT64 (its IPv6 address), or behind DS-Lite (the B4's IPv6 address and the inner IPv4 one, which other
// B4s' hosts have too). An alias is a number in 240.0.0.0/4, which no packet on the wire may have as its source,
// so that a packet from its host runs through NAT44 like any other. It means something on one worker alone and
// never leaves the box.
//
// An alias is held by the mappings of its host and goes with the last of them. Fragments that wait for the first
// of their datagram have no mapping yet: they pin it for as long as they may wait. Those of hosts behind one B4
// are a list, since they change their key when the B4 changes its address (RFC 7785 section 4).

#include "session/b4.h"
#include "session/index.h"

#include <rte_byteorder.h>

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ALIAS_NO_POLICY UINT8_MAX

struct alias_key {
	uint8_t address[16]; // of the host, or of its B4
	rte_be32_t inner;    // behind a B4: the host's own; else 0
	uint16_t instance;   // number of the NAT instance, as in subscriber keys
	uint16_t unused;     // zero
};

static_assert(sizeof(struct alias_key) == 24, "compared as 24 bytes without padding");

struct alias {
	struct alias_key key;
	uint32_t mappings;
	uint32_t pinned_until; // tick
	uint32_t next;         // of those pinned, in the order in which that ends; or free
	uint32_t prev;
	uint8_t policy; // slot, or ALIAS_NO_POLICY if its instance has none for it
	bool in_use;
	bool pinned;
	uint8_t aftr;     // of the AFTRs of the box, that its B4 uses; or AFTR_NONE
	uint32_t b4;      // that it is behind; 0: none
	uint32_t b4_next; // of those behind it
	uint32_t b4_prev;
	uint32_t static_host; // its number in the static mappings of the snapshot; 0: it has none
} __rte_cache_aligned;

static_assert(sizeof(struct alias) == 64, "an alias is one cache line");

struct alias_table {
	struct alias *
		alias; // number 0 is nobody; of those pinned its next is the first, its prev the last
	uint32_t size;
	uint32_t used;
	uint32_t fresh;
	uint32_t next_free;
	uint32_t pinned;
	struct index by_key;
	struct b4_table b4s;
};

// Makes room for `size` aliases. Returns 0 or -ENOMEM.
int alias_init(struct alias_table *table, uint32_t size);
void alias_fini(struct alias_table *table);
uint64_t alias_bytes(uint32_t size);

// Whether an inside address is an alias, and which.
static inline bool alias_is(rte_be32_t address)
{
	return ((uint8_t)address & 0xf0) == 0xf0;
}

static inline uint32_t alias_number(rte_be32_t address)
{
	return rte_be_to_cpu_32(address) & 0x0fffffff;
}

static inline rte_be32_t alias_address(uint32_t number)
{
	return rte_cpu_to_be_32(0xf0000000 | number);
}

static inline const struct alias *alias_at(const struct alias_table *table, rte_be32_t address)
{
	return &table->alias[alias_number(address)];
}

// The second half of a key, as one word.
static inline uint64_t alias_tail(rte_be32_t inner, uint16_t instance)
{
	struct {
		rte_be32_t inner;
		uint16_t instance;
		uint16_t unused;
	} tail = {inner, instance, 0};
	uint64_t word;

	memcpy(&word, &tail, sizeof(word));
	return word;
}

static inline uint64_t alias_tail_of(const struct alias_key *key)
{
	uint64_t tail;

	memcpy(&tail, (const uint8_t *)key + offsetof(struct alias_key, inner), sizeof(tail));
	return tail;
}

// A key whose second half is stored at once: to be hashed it is read at once.
static inline struct alias_key alias_key_make(
	const uint8_t address[16], rte_be32_t inner, uint16_t instance)
{
	uint64_t tail = alias_tail(inner, instance);
	struct alias_key key;

	memcpy(key.address, address, sizeof(key.address));
	memcpy((uint8_t *)&key + offsetof(struct alias_key, inner), &tail, sizeof(tail));
	return key;
}

// The hash of a key in two halves; whether an alias has it.
static inline uint64_t alias_hash_halves(
	const struct alias_table *table, const uint8_t address[16], uint64_t tail)
{
	uint64_t word[2];

	memcpy(word, address, sizeof(word));
	return index_hash2(&table->by_key, index_hash2(&table->by_key, word[0], word[1]), tail);
}

static inline bool alias_has_halves(
	const struct alias *alias, const uint8_t address[16], uint64_t tail)
{
	return alias_tail_of(&alias->key) == tail &&
		!memcmp(alias->key.address, address, sizeof(alias->key.address));
}

static inline uint64_t alias_hash(const struct alias_table *table, const struct alias_key *key)
{
	return alias_hash_halves(table, key->address, alias_tail_of(key));
}

static inline bool alias_key_equal(const struct alias_key *a, const struct alias_key *b)
{
	return !memcmp(a, b, sizeof(*a));
}

// The number of an alias, or 0.
uint32_t alias_find(const struct alias_table *table, const struct alias_key *key);
uint32_t alias_find_halves(
	const struct alias_table *table, const uint8_t address[16], uint64_t tail);

// Makes an alias that nothing holds yet. Returns its number, or 0 when the table is full.
uint32_t alias_add(struct alias_table *table, const struct alias_key *key, uint8_t policy);

// Puts a new alias behind a B4.
void alias_put_behind(struct alias_table *table, uint32_t number, uint32_t b4);

// A B4 has another address now, at this tick, and so have the keys of all aliases behind it.
void alias_move_b4(struct alias_table *table, uint32_t b4, const uint8_t address[16], uint32_t now);

// A mapping of its host has come, or gone.
void alias_hold(struct alias_table *table, uint32_t number);
void alias_let_go(struct alias_table *table, uint32_t number);

// Keeps an alias until a tick that is not before any it was asked for by others. Returns false if so many are
// kept without need already that this one may not be.
bool alias_pin(struct alias_table *table, uint32_t number, uint32_t until);

// The packet that an alias was found or made for has come to its end: it goes unless something keeps it.
void alias_settle(struct alias_table *table, uint32_t number);

// Lets go of pinned ones whose time is over, at most `budget`. Returns how many.
unsigned alias_expire(struct alias_table *table, uint32_t now, unsigned budget);
