// SPDX-License-Identifier: BSD-3-Clause

#include "table/pool.h"

#include "base/bits.h"
#include "base/ipaddr.h"

#include <rte_malloc.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Below this many addresses a worker, single blocks are dealt instead of whole addresses: a few
// addresses would fall too unevenly by their hash.
#define ADDRESSES_A_WORKER 16

// toeplitz[i][v]: what byte i of an address contributes when it is v. The Toeplitz hash is linear
// over XOR, so four reads make the hash of an address.
static uint32_t toeplitz[4][256];

__attribute__((constructor)) static void toeplitz_fill(void)
{
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned v = 0; v < 256; v++) {
			for (unsigned b = 0; b < 8; b++) {
				unsigned place = 8 * i + b;

				// 32 bits of the repeated key from there on
				if (v & (0x80u >> b))
					toeplitz[i][v] ^=
						(uint32_t)((uint64_t)POOL_HASH_KEY << place |
							(uint64_t)POOL_HASH_KEY >> (32 - place));
			}
		}
	}
}

unsigned pool_worker_of_inside(rte_be32_t address, unsigned workers)
{
	uint8_t byte[4];
	uint32_t hash;

	memcpy(byte, &address, sizeof(byte));
	hash = toeplitz[0][byte[0]] ^ toeplitz[1][byte[1]] ^ toeplitz[2][byte[2]] ^
		toeplitz[3][byte[3]];
	// as through a redirection table that names the workers in turn
	return hash % POOL_RETA_SIZE % workers;
}

unsigned pool_worker_of_inside6(const uint8_t address[16], unsigned len, unsigned workers)
{
	struct ipaddr addr = ipaddr_v6(address);
	struct ipprefix prefix = ipprefix_make(&addr, len);
	rte_be32_t word[4];

	memcpy(word, prefix.addr.bytes, sizeof(word));
	return pool_worker_of_inside(word[0] ^ word[1] ^ word[2] ^ word[3], workers);
}

static unsigned deal(const struct pool *pool, uint32_t number, uint32_t block)
{
	if (pool->addresses >= pool->workers * ADDRESSES_A_WORKER)
		return pool_worker_of_inside(
			rte_cpu_to_be_32(pool_address(pool, number)), pool->workers);
	return (number + block) % pool->workers;
}

void pool_reserve(struct port_set *set, const struct pool_ports *range, unsigned ranges)
{
	memset(set, 0, sizeof(*set));
	memset(set, UINT8_MAX, POOL_FIRST_PORT / 8);
	for (unsigned i = 0; i < ranges; i++) {
		for (uint32_t port = range[i].lower; port <= range[i].upper; port++)
			set->word[port / 64] |= bit(port % 64);
	}
}

static int fix_ports(struct pool *pool, const struct detnat_setup *from)
{
	struct detnat_setup setup = *from;
	size_t slots;

	setup.outsides = pool->addresses;
	pool->fixed = detnat_new(&setup, &pool->reserved);
	if (!pool->fixed)
		return -ENOMEM;
	pool->fixed_end = pool->fixed->first_dynamic;
	slots = (size_t)pool->addresses * POOL_PROTOCOLS * pool->fixed_end;
	pool->fixed_slot =
		rte_zmalloc("fixed-slots", slots * sizeof(*pool->fixed_slot), RTE_CACHE_LINE_SIZE);
	return pool->fixed_slot ? 0 : -ENOMEM;
}

struct pool *pool_new(const struct pool_setup *setup)
{
	static uint32_t pools;
	struct pool *pool = calloc(1, sizeof(*pool));
	uint32_t blocks;

	if (!pool)
		return NULL;
	pool->id = ++pools;
	pool->block_bits = (uint8_t)setup->block_bits;
	pool->workers = (uint8_t)setup->workers;
	pool->ranges = setup->ranges;
	pool_reserve(&pool->reserved, setup->reserved, setup->n_reserved);
	pool->range = calloc(setup->ranges, sizeof(*pool->range));
	pool->free = calloc(setup->workers, sizeof(*pool->free));
	if (!pool->range || !pool->free)
		goto fail;
	for (unsigned i = 0; i < setup->ranges; i++) {
		pool->range[i] = setup->range[i];
		pool->range[i].number = pool->addresses;
		pool->addresses += setup->range[i].last - setup->range[i].first + 1;
	}
	if (setup->fixed && fix_ports(pool, setup->fixed) < 0)
		goto fail;
	blocks = pool_blocks_an_address(pool);
	pool->entry = rte_malloc("pool", (size_t)pool->addresses * blocks * sizeof(*pool->entry),
		RTE_CACHE_LINE_SIZE);
	if (!pool->entry)
		goto fail;
	for (uint32_t number = 0; number < pool->addresses; number++) {
		for (uint32_t block = 0; block < blocks; block++)
			atomic_init(&pool->entry[number * blocks + block],
				deal(pool, number, block) << 24);
	}
	return pool;
fail:
	pool_free(pool);
	return NULL;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	rte_free(pool->entry);
	rte_free(pool->fixed_slot);
	detnat_free(pool->fixed);
	free(pool->free);
	free(pool->range);
	free(pool);
}

uint16_t pool_block_ports(const struct pool *pool, uint32_t block)
{
	uint32_t first = block << pool->block_bits;
	const uint64_t *word = &pool->reserved.word[first / 64];
	unsigned count = 0;

	// a block larger than the system ports begins with them
	if (first < POOL_FIRST_PORT || first < pool->fixed_end)
		return 0;
	static_assert(POOL_BLOCK_BITS_MIN >= 6, "a block is whole words of the set");
	for (uint32_t i = 0; i < pool_block_size(pool) / 64; i++)
		count += bit_count(~word[i]);
	return (uint16_t)count;
}

bool pool_same(const struct pool *pool, const struct pool_setup *setup)
{
	struct port_set reserved;

	if (pool->block_bits != setup->block_bits || pool->workers != setup->workers ||
		pool->ranges != setup->ranges)
		return false;
	for (unsigned i = 0; i < setup->ranges; i++) {
		if (pool->range[i].first != setup->range[i].first ||
			pool->range[i].last != setup->range[i].last)
			return false;
	}
	if (!pool->fixed != !setup->fixed)
		return false;
	if (setup->fixed) {
		struct detnat_setup fixed = *setup->fixed;

		fixed.outsides = pool->addresses;
		if (!detnat_same(pool->fixed, &fixed))
			return false;
	}
	pool_reserve(&reserved, setup->reserved, setup->n_reserved);
	return !memcmp(&reserved, &pool->reserved, sizeof(reserved));
}

uint32_t pool_number(const struct pool *pool, uint32_t address)
{
	for (unsigned i = 0; i < pool->ranges; i++) {
		const struct pool_range *r = &pool->range[i];

		if (address >= r->first && address <= r->last)
			return r->number + (address - r->first);
	}
	return UINT32_MAX;
}

uint32_t pool_address(const struct pool *pool, uint32_t number)
{
	unsigned i = pool->ranges - 1;

	while (i && pool->range[i].number > number)
		i--;
	return pool->range[i].first + (number - pool->range[i].number);
}

unsigned pool_owner(const struct pool *pool, uint32_t number, uint16_t port)
{
	uint32_t host =
		port < pool->fixed_end ? detnat_owner(pool->fixed, number, port) : UINT32_MAX;

	if (host != UINT32_MAX)
		return pool_worker_of_inside(detnat_host(pool->fixed, host), pool->workers);
	return pool_entry_worker(pool_entry(pool, pool_index(pool, number, port)));
}
