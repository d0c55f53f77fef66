// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// An external address pool and who owns its port blocks.
//
// A pool is a list of address ranges, not necessarily contiguous (RFC 6888 REQ-3); addresses are
// numbered through them. Each address is cut into blocks of a power of two of ports, and each block
// belongs to one worker: what comes in from outside finds its worker, and on that worker its port
// block, by one array read:
//
//	entry[address number << (16 - block_bits) | port >> block_bits]
//
//	 31     24 23                      0
//	+---------+-------------------------+
//	| worker  | block (0: not granted)  |
//	+---------+-------------------------+
//
// The control thread makes a pool and deals its blocks to the workers; from then on only the owner
// writes an entry. It may give a free block to another worker (table/moves.h), by a last write that
// names the new owner, who writes nothing before it has been told. A pool outlives a reload of the
// configuration as long as its setup stays the same.
//
// Some ports are reserved: none of them is ever handed out, on any address of the pool.
//
// With deterministic NAT (table/detnat.h) the lower ports of each address are each some inside host's for
// good. Their slots (session/portblk.h) stand here, found by address, protocol and port, and are written by
// the worker that has the host; blocks are of the ports from fixed_end on.

#include "table/detnat.h"

#include <rte_byteorder.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define POOL_BLOCK_BITS_MIN 6    // 64 ports
#define POOL_BLOCK_BITS_MAX 12   // 4096 ports
#define POOL_FIRST_PORT     1024 // system ports are never handed out (RFC 6908 section 2.11)
#define POOL_MAX_WORKERS    64
#define POOL_MAX_BLOCKS     0xffffff
#define POOL_PROTOCOLS      3 // that have slots

struct pool_range {
	uint32_t first; // host order
	uint32_t last;
	uint32_t number; // of the first address, counted through the whole pool
};

struct pool_ports {
	uint16_t lower; // host order
	uint16_t upper;
};

struct pool {
	uint32_t id; // that no other pool has had
	uint8_t block_bits;
	uint8_t workers;
	uint32_t addresses;
	unsigned ranges;
	struct pool_range *range;
	_Atomic uint32_t *entry;
	struct port_set reserved; // system ports among them
	struct detnat *fixed;     // NULL: no ports are fixed
	uint32_t fixed_end;       // port; 0: no ports are fixed
	uint32_t *fixed_slot;
	uint32_t *free; // by worker: its blocks that are not granted, which it counts
};

// What a pool is made of. All is copied.
struct pool_setup {
	const struct pool_range *range; // ascending and disjoint; `number` is not read
	unsigned ranges;
	const struct pool_ports *reserved; // besides the system ports, in any order
	unsigned n_reserved;
	unsigned block_bits;
	unsigned workers;
	const struct detnat_setup *fixed; // `outsides` is not read; NULL: no ports are fixed
};

// Makes a pool and deals its blocks. Returns NULL if memory runs out.
struct pool *pool_new(const struct pool_setup *setup);
void pool_free(struct pool *pool);

// Whether a pool made from this would deal out the same ports to the same workers.
bool pool_same(const struct pool *pool, const struct pool_setup *setup);

// Makes the set of ports that are never handed out.
void pool_reserve(struct port_set *set, const struct pool_ports *range, unsigned ranges);

static inline uint32_t pool_blocks_an_address(const struct pool *pool)
{
	return 65536u >> pool->block_bits;
}

static inline uint32_t pool_block_size(const struct pool *pool)
{
	return 1u << pool->block_bits;
}

// The place in entry[] of a port (host order) of the address with that number.
static inline uint32_t pool_index(const struct pool *pool, uint32_t number, uint16_t port)
{
	return number << (16 - pool->block_bits) | (uint32_t)port >> pool->block_bits;
}

// Which worker has a port (host order) of an address: that of a fixed one goes by its inside host.
unsigned pool_owner(const struct pool *pool, uint32_t number, uint16_t port);

// The slot of a fixed port (host order) of an address, for a protocol of enum l4.
static inline uint32_t *pool_fixed_slot(
	const struct pool *pool, uint32_t number, unsigned l4, uint16_t port)
{
	return &pool->fixed_slot[((uint64_t)number * POOL_PROTOCOLS + l4) * pool->fixed_end + port];
}

// The number of an address (host order), or UINT32_MAX if it is not in the pool.
uint32_t pool_number(const struct pool *pool, uint32_t address);

// The address (host order) with that number.
uint32_t pool_address(const struct pool *pool, uint32_t number);

static inline uint32_t pool_entry(const struct pool *pool, uint32_t index)
{
	return atomic_load_explicit(&pool->entry[index], memory_order_relaxed);
}

static inline unsigned pool_entry_worker(uint32_t entry)
{
	return entry >> 24;
}

static inline uint32_t pool_entry_block(uint32_t entry)
{
	return entry & POOL_MAX_BLOCKS;
}

// Owner only: writes which of its blocks stands here, 0 for none.
static inline void pool_set_block(struct pool *pool, uint32_t index, uint32_t block)
{
	uint32_t entry = pool_entry(pool, index);

	atomic_store_explicit(&pool->entry[index], (entry & ~(uint32_t)POOL_MAX_BLOCKS) | block,
		memory_order_relaxed);
}

// Owner only: gives away a block that is not granted.
static inline void pool_give(struct pool *pool, uint32_t index, unsigned worker)
{
	atomic_store_explicit(&pool->entry[index], worker << 24, memory_order_relaxed);
}

// How many ports of the block at a place of an address may be given out; 0: it is never granted, for its
// system ports, or fixed ones, or because all are reserved.
uint16_t pool_block_ports(const struct pool *pool, uint32_t block);

#define POOL_RETA_SIZE                                                                             \
	128 // entries of a NIC's redirection table, or as many of a larger one repeated

// What the key of a NIC's hash is made of, over and over (most significant byte first). So an address contributes the
// same wherever it stands in what is hashed, as the first or the second, alone or among zeros, and an IPv6 address
// what its four words do. Of such keys this deals consecutive addresses, prefixes and every 256th address evenly.
#define POOL_HASH_KEY 0xbabb267aU

// Which worker has an inside address (network order) as its subscriber: the one that the Toeplitz hash and the
// redirection table of a NIC give that hashes the source address alone, for any number of workers.
unsigned pool_worker_of_inside(rte_be32_t address, unsigned workers);

// The same for an IPv6 address, of which only the first `len` bits count, so that all of a subscriber's hosts have
// one worker: of all of them, what a NIC would give.
unsigned pool_worker_of_inside6(const uint8_t address[16], unsigned len, unsigned workers);
