// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The port blocks of one pool that one worker owns: which are free, who has the others, and what
// stands behind each of their ports.
//
// A granted block has one slot for each port and protocol of the usual ones, found by arithmetic alone:
//
//	slot[(block * L4_SLOTS + l4) << block_bits | (port & (size - 1))]
//
//	 0                        the port is free
//	 1 .. 0x7fffffff          the number of the mapping that has it
//	 0x80000000 | tick        the port rests until that tick (hold-down, RFC 6888 REQ-8)
//	 PORT_RESERVED            it belongs to a static mapping, or to nobody, and is never given out
//
// Ports are random within a block (RFC 6056). One record at the grant and one at the return tells
// who had any port of it (RFC 6888 REQ-14).

#include "base/rand.h"
#include "base/subkey.h"
#include "session/bib.h"
#include "session/rest.h"
#include "table/pool.h"

static_assert(POOL_PROTOCOLS == L4_SLOTS, "a pool has the same rows");

#define PORT_HELD     0x80000000u
#define PORT_RESERVED UINT32_MAX

// Random tries at a port before they are searched: with half of them taken, fewer than one search in two
// hundred.
#define PORT_TRIES 8

// In a wheel handle a block is named by its pool's slot and its number.
#define BLOCK_NUMBER_BITS 22
#define BLOCK_NUMBER_MAX  ((1u << BLOCK_NUMBER_BITS) - 1)

static inline uint32_t block_handle(unsigned pool_slot, uint32_t number)
{
	return handle_make(HANDLE_BLOCK, pool_slot << BLOCK_NUMBER_BITS | number);
}

enum block_state { BLOCK_FREE, BLOCK_GRANTED, BLOCK_RESTING };

struct block {
	uint32_t subscriber; // who has it
	uint32_t entry;      // its place in pool->entry[]
	uint32_t next;       // of the subscriber's blocks, or of the unused numbers
	struct link link;    // in the wheel: empty and waiting to be given back, or resting
	uint32_t since;      // tick of the grant
	uint32_t empty;      // tick since when no port is in use
	uint16_t used[L4_COUNT];
	uint16_t ports; // that are not reserved for the whole pool
	uint8_t state;  // enum block_state
};

struct portblk {
	struct pool *pool;
	unsigned worker;
	uint32_t owner; // as in the pool's entries
	uint32_t size;  // numbers of blocks that may be granted at one time, from 1
	uint32_t used;
	uint32_t fresh;
	uint32_t next_free;
	struct block *block;
	uint32_t *slot;
	uint64_t *free;    // by pool entry: this worker's, and not granted
	uint16_t *free_of; // by address number: how many of `free`; pool->free has them in all
	struct rest rest;
	uint32_t next_address; // where the next subscriber's search for an address begins
	uint32_t closed_until; // tick before which no block is granted
	uint32_t low;          // with fewer free blocks it asks others for some
	uint32_t asked;        // tick at which it last did
	uint32_t asked_with;   // how many it had then; UINT32_MAX: it has got some since
};

// Makes the worker's share of a pool, room for `size` granted blocks at most. Returns NULL if memory
// runs out.
struct portblk *portblk_new(struct pool *pool, unsigned worker, uint32_t size);
void portblk_free(struct portblk *share);

// How many blocks a worker's share of such a pool has room for, at most `limit`, and its bytes.
uint32_t portblk_size(const struct pool *pool, uint32_t limit);
uint64_t portblk_bytes(unsigned block_bits, uint32_t addresses, uint32_t size);

// Picks an address for a block: the next in turn that has a free one, or the first that has from a
// random one on. Returns its number in the pool, or UINT32_MAX if the share has none left.
uint32_t portblk_next_address(struct portblk *share);
uint32_t portblk_random_address(const struct portblk *share, struct rand *random);

// Picks a random free block of an address. Returns its place in the pool, or UINT32_MAX if it has none.
uint32_t portblk_pick(const struct portblk *share, struct rand *random, uint32_t address);

// Whether the block at a place of the pool is this share's and free.
static inline bool portblk_is_free(const struct portblk *share, uint32_t entry)
{
	return share->free[entry / 64] >> (entry % 64) & 1;
}

// Gives a free block to a subscriber. All its ports are free then, but for those that are reserved for
// the whole pool. Returns its number, or 0 if too many are granted.
uint32_t portblk_grant(struct portblk *share, uint32_t entry, uint32_t subscriber, uint32_t now);

// Takes a free block out until a tick, because its ports were in use before the share was made. Called
// before any worker has the share. Where there is no room to remember it, the whole share waits.
void portblk_rest(struct portblk *share, uint32_t entry, uint32_t until);

// Undoes a grant that could not be recorded, or ends a rest: the block is free again.
void portblk_release(struct portblk *share, uint32_t number);

// How many blocks are free.
static inline uint32_t portblk_free_blocks(const struct portblk *share)
{
	return share->pool->free[share->worker];
}

// Gives up to `count` free blocks of an address, or if it is UINT32_MAX of one of its own choice, to another worker's
// share. Returns which: a bit for each of 64 entries of the pool, from entry 64 * *word on.
uint64_t portblk_give(
	struct portblk *share, uint32_t address, unsigned count, unsigned worker, uint32_t *word);

// Takes what another worker's share has given.
void portblk_take(struct portblk *share, uint32_t word, uint64_t blocks);

enum parity { PARITY_EVEN, PARITY_ODD, PARITY_ANY };

// Finds a random port of a granted block that is free at `now`. Returns its place in slot[], or
// UINT32_MAX if there is none.
uint32_t portblk_pick_port(const struct portblk *share, struct rand *random, uint32_t number,
	enum l4 l4, enum parity parity, uint32_t now);

// Whether a port may be given out at `now`.
static inline bool slot_is_free(uint32_t slot, uint32_t now)
{
	if (!slot)
		return true;
	return slot != PORT_RESERVED && slot & PORT_HELD && (slot & ~PORT_HELD) <= now;
}

// What the ports of a block are.
static inline uint32_t block_number_of_address(const struct portblk *share, const struct block *b)
{
	return b->entry >> (16 - share->pool->block_bits);
}

static inline uint16_t block_first_port(const struct portblk *share, const struct block *b)
{
	uint32_t blocks = pool_blocks_an_address(share->pool);

	return (uint16_t)((b->entry & (blocks - 1)) << share->pool->block_bits);
}

// The place in slot[] of a port (host order) of a block.
static inline uint32_t block_slot(
	const struct portblk *share, uint32_t number, enum l4 l4, uint16_t port)
{
	uint32_t mask = pool_block_size(share->pool) - 1;

	return (number * L4_SLOTS + l4) << share->pool->block_bits | (port & mask);
}

// The mapping in a slot, or 0.
static inline uint32_t slot_mapping(uint32_t slot)
{
	return slot & PORT_HELD ? 0 : slot;
}
