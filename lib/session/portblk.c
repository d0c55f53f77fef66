// SPDX-License-Identifier: BSD-3-Clause

#include "session/portblk.h"

#include "base/bits.h"

#include <rte_malloc.h>

#include <string.h>

// Random tries at a block of an address before its blocks are searched; blocks are drawn seldom.
#define BLOCK_TRIES 16

#define LOW_MOST 32 // free blocks below which others are asked: an eighth of the share, but no more

uint32_t portblk_size(const struct pool *pool, uint32_t limit)
{
	uint64_t blocks = (uint64_t)pool->addresses * pool_blocks_an_address(pool);
	// slots are numbered in 32 bits, blocks in pool entries and wheel handles in 22
	uint64_t most = (UINT32_MAX / L4_SLOTS >> pool->block_bits) - 1;

	if (blocks > limit)
		blocks = limit;
	if (blocks > most)
		blocks = most;
	return (uint32_t)(blocks > BLOCK_NUMBER_MAX ? BLOCK_NUMBER_MAX : blocks);
}

static size_t words(uint64_t bits)
{
	return div_round_up(bits, 64);
}

uint64_t portblk_bytes(unsigned block_bits, uint32_t addresses, uint32_t size)
{
	uint64_t entries = (uint64_t)addresses << (16 - block_bits);

	return ((uint64_t)size + 1) *
		(sizeof(struct block) + (L4_SLOTS * sizeof(uint32_t) << block_bits)) +
		words(entries) * 8 + addresses * sizeof(uint16_t);
}

// A block of the share that is free now, or is not any more.
static void set_free(struct portblk *share, uint32_t entry, bool is_free)
{
	uint32_t address = entry >> (16 - share->pool->block_bits);
	int change = is_free ? 1 : -1;

	share->free[entry / 64] ^= bit(entry % 64);
	share->free_of[address] = (uint16_t)(share->free_of[address] + change);
	count_add(&share->pool->free[share->worker], change);
}

// Marks as free what the pool has dealt to this worker and may be granted.
static void find_own(struct portblk *share)
{
	const struct pool *pool = share->pool;
	uint32_t blocks = pool_blocks_an_address(pool);

	for (uint32_t i = 0; i < blocks; i++) {
		if (!pool_block_ports(pool, i))
			continue;
		for (uint32_t address = 0; address < pool->addresses; address++) {
			uint32_t entry = address * blocks + i;

			if (pool_entry_worker(pool_entry(pool, entry)) == share->worker)
				set_free(share, entry, true);
		}
	}
}

struct portblk *portblk_new(struct pool *pool, unsigned worker, uint32_t size)
{
	struct portblk *share = rte_zmalloc("portblk", sizeof(*share), RTE_CACHE_LINE_SIZE);
	size_t slots = ((size_t)size + 1) * L4_SLOTS << pool->block_bits;

	if (!share)
		return NULL;
	share->pool = pool;
	share->worker = worker;
	share->owner = worker << 24;
	share->size = size;
	share->fresh = 1;
	// workers do not all begin with the same few addresses
	share->next_address = (uint32_t)((uint64_t)pool->addresses * worker / pool->workers);
	share->block = rte_zmalloc(
		"blocks", ((size_t)size + 1) * sizeof(struct block), RTE_CACHE_LINE_SIZE);
	share->slot = rte_zmalloc("slots", slots * sizeof(uint32_t), RTE_CACHE_LINE_SIZE);
	share->free = rte_zmalloc("free-blocks",
		words((uint64_t)pool->addresses * pool_blocks_an_address(pool)) * 8, 0);
	share->free_of = rte_zmalloc("free-of", pool->addresses * sizeof(uint16_t), 0);
	if (!share->block || !share->slot || !share->free || !share->free_of) {
		portblk_free(share);
		return NULL;
	}
	find_own(share);
	share->asked_with = UINT32_MAX;
	share->low = min_u32(LOW_MOST, portblk_free_blocks(share) / 8 + 1);
	return share;
}

void portblk_free(struct portblk *share)
{
	if (!share)
		return;
	rte_free(share->free_of);
	rte_free(share->free);
	rte_free(share->slot);
	rte_free(share->block);
	rte_free(share);
}

uint32_t portblk_next_address(struct portblk *share)
{
	if (!portblk_free_blocks(share))
		return UINT32_MAX;
	for (;;) {
		uint32_t address = share->next_address;

		if (++share->next_address == share->pool->addresses)
			share->next_address = 0;
		if (share->free_of[address])
			return address;
	}
}

uint32_t portblk_random_address(const struct portblk *share, struct rand *random)
{
	uint32_t address;

	if (!portblk_free_blocks(share))
		return UINT32_MAX;
	for (address = rand_below(random, share->pool->addresses); !share->free_of[address];) {
		if (++address == share->pool->addresses)
			address = 0;
	}
	return address;
}

uint32_t portblk_pick(const struct portblk *share, struct rand *random, uint32_t address)
{
	uint32_t blocks = pool_blocks_an_address(share->pool);
	uint32_t first = address * blocks, start;

	if (!share->free_of[address])
		return UINT32_MAX;
	// the one after a row of others, as after the system ports, must not be likelier than the rest
	for (unsigned i = 0; i < BLOCK_TRIES; i++) {
		uint32_t entry = first + rand_below(random, blocks);

		if (portblk_is_free(share, entry))
			return entry;
	}
	start = rand_below(random, blocks);
	for (uint32_t i = 0; i < blocks; i++) {
		uint32_t entry = first + ((start + i) & (blocks - 1));

		if (portblk_is_free(share, entry))
			return entry;
	}
	return UINT32_MAX;
}

// All ports of a block are free, but for those that are reserved for the whole pool.
static void clear_slots(struct portblk *share, uint32_t number)
{
	struct block *b = &share->block[number];
	uint32_t size = pool_block_size(share->pool);
	uint16_t first = block_first_port(share, b);

	memset(&share->slot[block_slot(share, number, 0, 0)], 0,
		L4_SLOTS * sizeof(uint32_t) << share->pool->block_bits);
	for (uint32_t i = 0; i < size && b->ports < size; i++) {
		uint16_t port = (uint16_t)(first + i);

		if (!port_set_has(&share->pool->reserved, port))
			continue;
		for (enum l4 l4 = 0; l4 < L4_SLOTS; l4++)
			share->slot[block_slot(share, number, l4, port)] = PORT_RESERVED;
	}
}

uint32_t portblk_grant(struct portblk *share, uint32_t entry, uint32_t subscriber, uint32_t now)
{
	uint32_t number = share->next_free;
	struct block *b;

	if (number)
		share->next_free = share->block[number].next;
	else if (share->fresh <= share->size)
		number = share->fresh++;
	else
		return 0;
	b = &share->block[number];
	*b = (struct block){
		.subscriber = subscriber,
		.entry = entry,
		.since = now,
		.empty = now,
		.ports = pool_block_ports(
			share->pool, entry & (pool_blocks_an_address(share->pool) - 1)),
		.state = BLOCK_GRANTED,
	};
	set_free(share, entry, false);
	count_add(&share->used, 1);
	clear_slots(share, number);
	pool_set_block(share->pool, entry, number);
	return number;
}

void portblk_rest(struct portblk *share, uint32_t entry, uint32_t until)
{
	if (!portblk_is_free(share, entry))
		return;
	if (share->fresh > share->size) {
		if ((int32_t)(until - share->closed_until) > 0)
			share->closed_until = until;
		return;
	}
	set_free(share, entry, false);
	count_add(&share->used, 1);
	share->block[share->fresh] =
		(struct block){.entry = entry, .empty = until, .state = BLOCK_RESTING};
	pool_set_block(share->pool, entry, share->fresh++);
}

void portblk_release(struct portblk *share, uint32_t number)
{
	struct block *b = &share->block[number];
	uint32_t entry = b->entry;

	pool_set_block(share->pool, entry, 0);
	set_free(share, entry, true);
	count_add(&share->used, -1);
	*b = (struct block){.next = share->next_free};
	share->next_free = number;
}

uint64_t portblk_give(
	struct portblk *share, uint32_t address, unsigned count, unsigned worker, uint32_t *word)
{
	uint32_t blocks = pool_blocks_an_address(share->pool), entry, end;
	uint64_t given = 0;

	if (address == UINT32_MAX)
		address = portblk_next_address(share);
	if (address == UINT32_MAX || !share->free_of[address])
		return 0;
	entry = address * blocks;
	end = entry + blocks;
	while (!portblk_is_free(share, entry))
		entry++;
	for (*word = entry / 64; entry < end && entry / 64 == *word && count; entry++) {
		if (!portblk_is_free(share, entry))
			continue;
		set_free(share, entry, false);
		pool_give(share->pool, entry, worker);
		given |= bit(entry % 64);
		count--;
	}
	return given;
}

void portblk_take(struct portblk *share, uint32_t word, uint64_t blocks)
{
	unsigned i;

	while (bit_take(&blocks, &i))
		set_free(share, word * 64 + i, true);
}

uint32_t portblk_pick_port(const struct portblk *share, struct rand *random, uint32_t number,
	enum l4 l4, enum parity parity, uint32_t now)
{
	// every port, or each second one
	unsigned shift = parity == PARITY_ANY ? 0 : 1;
	uint32_t count = pool_block_size(share->pool) >> shift;
	uint32_t first = block_slot(share, number, l4, 0) + (parity == PARITY_ODD ? 1 : 0);
	uint32_t start;

	for (unsigned i = 0; i < PORT_TRIES; i++) {
		uint32_t place = first + (rand_below(random, count) << shift);

		if (slot_is_free(share->slot[place], now))
			return place;
	}
	start = rand_below(random, count);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t place = first + (((start + i) & (count - 1)) << shift);

		if (slot_is_free(share->slot[place], now))
			return place;
	}
	return UINT32_MAX;
}
