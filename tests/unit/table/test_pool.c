// SPDX-License-Identifier: BSD-3-Clause

// External pools: addresses and their numbers, which worker has which ports, which ports nobody has, and which
// pools are the same.

#include "base/bits.h"
#include "table/pool.h"

#include "support/world.h"
#include "unit.h"

#include <rte_thash.h>

#define ADDRESS 0xcb007100u // 203.0.113.0

static const struct pool_range ranges[] = {
	{.first = ADDRESS + 8, .last = ADDRESS + 15},
	{.first = ADDRESS + 32, .last = ADDRESS + 32},
	{.first = ADDRESS + 64, .last = ADDRESS + 66},
};
static const struct pool_ports reserved[] = {{5060, 5061}, {65535, 65535}};

static struct pool_setup several(void)
{
	return (struct pool_setup){.range = ranges,
		.ranges = ARRAY_LEN(ranges),
		.reserved = reserved,
		.n_reserved = ARRAY_LEN(reserved),
		.block_bits = 6,
		.workers = 3};
}

// Addresses are counted through the ranges, and what lies between them has no number (RFC 6888 REQ-3).
static void numbering(void **)
{
	static const uint32_t last[] = {8, 9, 10, 11, 12, 13, 14, 15, 32, 64, 65, 66};
	struct pool_setup setup = several();
	struct pool *pool = pool_new(&setup);
	uint32_t expected = 0;

	assert_int_equal(pool->addresses, ARRAY_LEN(last));
	for (uint32_t byte = 0; byte <= UINT8_MAX; byte++) {
		uint32_t number = pool_number(pool, ADDRESS + byte);

		if (expected < ARRAY_LEN(last) && byte == last[expected]) {
			assert_int_equal(number, expected++);
			assert_int_equal(pool_address(pool, number), ADDRESS + byte);
		} else {
			assert_int_equal(number, UINT32_MAX);
		}
	}
	assert_int_equal(expected, ARRAY_LEN(last));
	pool_free(pool);
}

// Each port of each address belongs to one worker, all of a block to the same, about as many to each.
static void check_owners(const struct pool_setup *setup)
{
	struct pool *pool = pool_new(setup);
	uint32_t share[POOL_MAX_WORKERS] = {0};
	uint32_t fair = pool->addresses * 65536 / setup->workers;

	for (uint32_t number = 0; number < pool->addresses; number++) {
		for (uint32_t port = 0; port <= UINT16_MAX; port++) {
			unsigned owner = pool_owner(pool, number, (uint16_t)port);

			assert_true(owner < setup->workers);
			assert_int_equal(owner,
				pool_owner(pool, number,
					(uint16_t)(port & ~(pool_block_size(pool) - 1))));
			share[owner]++;
		}
	}
	for (unsigned i = 0; i < setup->workers; i++)
		assert_in_range(share[i], fair * 7 / 10, fair * 13 / 10);
	pool_free(pool);
}

static void owners(void **)
{
	static const struct pool_range many = {.first = ADDRESS, .last = ADDRESS + 255};
	struct pool_setup setup = several();

	for (setup.workers = 1; setup.workers <= 5; setup.workers++)
		check_owners(&setup);
	setup.block_bits = 12;
	check_owners(&setup);
	// enough addresses to be dealt whole
	setup.range = &many;
	setup.ranges = 1;
	setup.workers = 4;
	check_owners(&setup);
}

// With many addresses a worker has all ports of an address, as by the hash of a NIC over it.
static void whole_addresses(void **)
{
	static const struct pool_range many = {.first = ADDRESS, .last = ADDRESS + 255};
	struct pool_setup setup = {.range = &many, .ranges = 1, .block_bits = 6, .workers = 16};
	struct pool *pool = pool_new(&setup);

	for (uint32_t number = 0; number < 256; number++) {
		unsigned owner =
			pool_worker_of_inside(rte_cpu_to_be_32(pool_address(pool, number)), 16);

		for (uint32_t port = 0; port <= UINT16_MAX; port += 64)
			assert_int_equal(pool_owner(pool, number, (uint16_t)port), owner);
	}
	pool_free(pool);
}

// Of a few addresses each worker has blocks of each.
static void few_addresses(void **)
{
	struct pool_setup setup = several();
	struct pool *pool = pool_new(&setup);

	for (uint32_t number = 0; number < pool->addresses; number++) {
		unsigned seen = 0;

		for (uint32_t port = 0; port <= UINT16_MAX; port += 64)
			seen |= 1u << pool_owner(pool, number, (uint16_t)port);
		assert_int_equal(seen, 7);
	}
	pool_free(pool);
}

// Which of its blocks stands in an entry is the owner's affair; that it is the owner's stays.
static void blocks(void **)
{
	struct pool_setup setup = several();
	struct pool *pool = pool_new(&setup);
	uint32_t index = pool_index(pool, 11, 65535);
	unsigned owner = pool_owner(pool, 11, 65535);

	assert_int_equal(index, 12 * pool_blocks_an_address(pool) - 1);
	assert_int_equal(pool_index(pool, 1, 63), 1024);
	assert_int_equal(pool_index(pool, 1, 64), 1025);
	assert_int_equal(pool_entry_block(pool_entry(pool, index)), 0);
	pool_set_block(pool, index, POOL_MAX_BLOCKS);
	assert_int_equal(pool_entry_block(pool_entry(pool, index)), POOL_MAX_BLOCKS);
	assert_int_equal(pool_owner(pool, 11, 65535), owner);
	pool_set_block(pool, index, 0);
	assert_int_equal(pool_entry_block(pool_entry(pool, index)), 0);
	assert_int_equal(pool_owner(pool, 11, 65535), owner);
	pool_free(pool);
}

static void reserved_ports(void **)
{
	struct pool_setup setup = several();
	struct pool *pool = pool_new(&setup);

	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		bool expected = port < 1024 || port == 5060 || port == 5061 || port == 65535;

		assert_int_equal(port_set_has(&pool->reserved, (uint16_t)port), expected);
	}
	pool_free(pool);
}

// A port that is some host's for good belongs to the worker that has the host; the others are in blocks.
static void fixed_ports(void **)
{
	struct ipprefix inside;
	struct detnat_setup fixed = {.inside = &inside, .prefixes = 1, .dynamic_factor = 1};
	struct pool_setup setup = several();
	struct pool *pool;
	uint32_t owned = 0;

	assert_int_equal(ipprefix_parse("100.64.0.0/26", &inside, NULL), 0);
	setup.fixed = &fixed;
	pool = pool_new(&setup);
	assert_int_equal(pool->fixed->outsides, pool->addresses);
	assert_in_range(pool->fixed_end, 1024, 65535);
	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		uint32_t host = detnat_owner(pool->fixed, 2, (uint16_t)port);
		unsigned owner = pool_owner(pool, 2, (uint16_t)port);

		if (host == UINT32_MAX)
			continue;
		owned++;
		assert_true(port < pool->fixed_end);
		assert_int_equal(owner, pool_worker_of_inside(detnat_host(pool->fixed, host), 3));
	}
	assert_true(owned);
	*pool_fixed_slot(pool, 11, POOL_PROTOCOLS - 1, (uint16_t)(pool->fixed_end - 1)) = 7;
	assert_int_equal(*pool_fixed_slot(pool, 11, 0, (uint16_t)(pool->fixed_end - 1)), 0);
	assert_true(pool_same(pool, &setup));
	fixed.dynamic_factor = 2;
	assert_false(pool_same(pool, &setup));
	setup.fixed = NULL;
	assert_false(pool_same(pool, &setup));
	pool_free(pool);
}

// Reserved ports are a set, however they are said; anything else that differs makes another pool.
static void same(void **)
{
	static const struct pool_ports other_way[] = {
		{65535, 65535}, {5061, 5061}, {0, 100}, {5060, 5061}};
	struct pool_range changed[ARRAY_LEN(ranges)];
	struct pool_setup setup = several();
	struct pool *pool = pool_new(&setup);

	assert_true(pool_same(pool, &setup));
	setup.reserved = other_way;
	setup.n_reserved = ARRAY_LEN(other_way);
	assert_true(pool_same(pool, &setup));
	setup.n_reserved--;
	assert_false(pool_same(pool, &setup));
	setup = several();
	setup.workers = 4;
	assert_false(pool_same(pool, &setup));
	setup = several();
	setup.block_bits = 7;
	assert_false(pool_same(pool, &setup));
	setup = several();
	setup.ranges--;
	assert_false(pool_same(pool, &setup));
	setup = several();
	setup.range = changed;
	for (unsigned i = 0; i < ARRAY_LEN(ranges); i++) {
		memcpy(changed, ranges, sizeof(changed));
		assert_true(pool_same(pool, &setup));
		changed[i].last++;
		assert_false(pool_same(pool, &setup));
		changed[i].last--;
		changed[i].first--;
		assert_false(pool_same(pool, &setup));
	}
	pool_free(pool);
}

// The Toeplitz hash of `length` bytes that a device with the repeated key computes, by DPDK's arithmetic.
static uint32_t hash_of(const uint8_t *bytes, unsigned length)
{
	uint32_t word[16];
	_Alignas(uint32_t) uint8_t key[68];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(POOL_HASH_KEY >> (24 - i % 4 * 8));
	memcpy(word, bytes, length);
	for (unsigned i = 0; i < length / 4; i++)
		word[i] = rte_be_to_cpu_32(word[i]);
	return rte_softrss(word, length / 4, key);
}

// What a device hashes is what subscribers are dealt by, wherever it has the address: alone, first or second of two
// that are else zero; and an IPv6 address if all of it is the subscriber.
static void workers_of_inside(void **)
{
	static const uint8_t home[16] = {0x20, 1, 0xd, 0xb8, 1, 2, 3};
	uint8_t host[16], input[32];
	unsigned seen = 0;

	for (unsigned i = 0; i < 10000; i++) {
		rte_be32_t address = rte_cpu_to_be_32(0x64400000 + i * 2654435761U);

		for (unsigned at = 0; at <= 4; at += 4) {
			memset(input, 0, sizeof(input));
			memcpy(input + at, &address, sizeof(address));
			for (unsigned length = at + 4; length <= 8; length += 4)
				assert_int_equal(pool_worker_of_inside(address, 6),
					hash_of(input, length) % 128 % 6);
		}
	}
	for (unsigned i = 0; i <= UINT8_MAX; i++) {
		memcpy(host, home, sizeof(host));
		host[15] = host[7] = (uint8_t)i;
		assert_int_equal(
			pool_worker_of_inside6(host, 56, 16), pool_worker_of_inside6(home, 56, 16));
		seen |= 1u << pool_worker_of_inside6(host, 64, 16);
		for (unsigned at = 0; at <= 16; at += 16) {
			memset(input, 0, sizeof(input));
			memcpy(input + at, host, sizeof(host));
			assert_int_equal(
				pool_worker_of_inside6(host, 128, 6), hash_of(input, 32) % 128 % 6);
		}
	}
	assert_int_equal(seen, 0xffff);
}

// As many neighbours as workers have each their own: addresses, every 256th one, and prefixes of homes.
static void neighbours(void **)
{
	static const unsigned step[] = {0, 8, 16};
	static const unsigned prefix[] = {48, 56, 64};

	for (unsigned workers = 2; workers <= POOL_MAX_WORKERS; workers *= 2) {
		uint64_t all = UINT64_MAX >> (64 - workers);

		for (unsigned k = 0; k < 3; k++) {
			uint64_t seen = 0, seen6 = 0;

			for (uint32_t i = 0; i < workers; i++) {
				uint8_t home[16] = {0x20, 1, 0xd, 0xb8};

				home[prefix[k] / 8 - 1] = (uint8_t)i;
				seen |= 1ull << pool_worker_of_inside(
						rte_cpu_to_be_32(0x64400000 + (i << step[k])),
						workers);
				seen6 |= 1ull << pool_worker_of_inside6(home, prefix[k], workers);
			}
			assert_int_equal(seen, all);
			assert_int_equal(seen6, all);
		}
	}
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbering),
		cmocka_unit_test(owners),
		cmocka_unit_test(whole_addresses),
		cmocka_unit_test(few_addresses),
		cmocka_unit_test(blocks),
		cmocka_unit_test(reserved_ports),
		cmocka_unit_test(fixed_ports),
		cmocka_unit_test(same),
		cmocka_unit_test(workers_of_inside),
		cmocka_unit_test(neighbours),
	};

	world_eal(argv[0], false, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
