// SPDX-License-Identifier: BSD-3-Clause

// The BIB: mappings found from inside and outside, those that are for one remote alone, and their numbers.

#include "session/bib.h"

#include "support/world.h"
#include "unit.h"

#define SIZE    16
#define HOST    RTE_BE32(0x64400001)
#define OTHER   RTE_BE32(0x64400002)
#define OUTSIDE RTE_BE32(0xcb007101)
#define REMOTE  RTE_BE32(0xc6120001)
#define PORT    RTE_BE16(1000)

static struct bib bib;

static int begin(void **)
{
	return bib_init(&bib, SIZE);
}

// All keys have one hash, so that only what is compared tells them apart.
static int begin_colliding(void **state)
{
	if (begin(state) < 0)
		return -1;
	memset(bib.by_inside.secret, 0, sizeof(bib.by_inside.secret));
	memset(bib.by_outside.secret, 0, sizeof(bib.by_outside.secret));
	return 0;
}

static int end(void **)
{
	bib_free(&bib);
	return 0;
}

static uint32_t add(enum l4 l4, rte_be32_t inside, rte_be16_t port)
{
	return bib_add(&bib, bib_hash(&bib, l4, inside, port), l4, inside, port, 2);
}

static void remove_again(uint32_t number)
{
	const struct mapping *m = &bib.mapping[number];

	bib_remove(&bib, number, bib_hash(&bib, mapping_l4(m), m->inside, m->inside_port));
}

static void from_inside(void **)
{
	uint32_t udp, tcp;

	assert_int_equal(bib_find_inside(&bib, L4_UDP, HOST, PORT), 0);
	udp = add(L4_UDP, HOST, PORT);
	tcp = add(L4_TCP, HOST, PORT);
	assert_true(udp && tcp && udp != tcp);
	assert_int_equal(bib_find_inside(&bib, L4_UDP, HOST, PORT), udp);
	assert_int_equal(bib_find_inside(&bib, L4_TCP, HOST, PORT), tcp);
	assert_int_equal(bib_find_inside(&bib, L4_ICMP, HOST, PORT), 0);
	assert_int_equal(bib_find_inside(&bib, L4_UDP, OTHER, PORT), 0);
	assert_int_equal(bib_find_inside(&bib, L4_UDP, HOST, RTE_BE16(1001)), 0);
	assert_true(mapping_in_use(&bib.mapping[udp]) && bib.mapping[udp].policy == 2);
	assert_true(bib.used == 2 && bib.count[2][L4_UDP] == 1 && bib.count[2][L4_TCP] == 1);
	remove_again(udp);
	assert_int_equal(bib_find_inside(&bib, L4_UDP, HOST, PORT), 0);
	assert_int_equal(bib_find_inside(&bib, L4_TCP, HOST, PORT), tcp);
	assert_false(mapping_in_use(&bib.mapping[udp]));
	assert_true(bib.used == 1 && bib.count[2][L4_UDP] == 0);
}

static uint32_t add_outside(enum l4 l4, rte_be16_t outside_port, uint8_t flags)
{
	uint32_t number = add(l4, HOST, outside_port);
	struct mapping *m = &bib.mapping[number];

	m->outside = OUTSIDE;
	m->outside_port = outside_port;
	m->flags |= flags;
	bib_add_outside(&bib, number);
	return number;
}

// Static mappings and those of a protocol without slots are found from outside, and not any more when they go.
static void from_outside(void **)
{
	uint32_t udp = add_outside(L4_UDP, PORT, MAPPING_STATIC);
	uint32_t dccp = add_outside(L4_DCCP, PORT, 0);

	assert_int_equal(bib_find_outside(&bib, L4_UDP, OUTSIDE, PORT), udp);
	assert_int_equal(bib_find_outside(&bib, L4_DCCP, OUTSIDE, PORT), dccp);
	assert_int_equal(bib_find_outside(&bib, L4_TCP, OUTSIDE, PORT), 0);
	assert_int_equal(bib_find_outside(&bib, L4_UDP, OUTSIDE, RTE_BE16(1001)), 0);
	assert_int_equal(bib_find_outside(&bib, L4_UDP, HOST, PORT), 0);
	remove_again(dccp);
	assert_int_equal(bib_find_outside(&bib, L4_DCCP, OUTSIDE, PORT), 0);
	remove_again(udp);
	assert_int_equal(bib_find_outside(&bib, L4_UDP, OUTSIDE, PORT), 0);
	assert_int_equal(bib.by_outside.entries, 0);
}

// One that has found no outside port yet may go all the same.
static void without_outside(void **)
{
	uint32_t number = add(L4_DCCP, HOST, PORT);

	remove_again(number);
	assert_true(bib.used == 0 && bib.by_outside.entries == 0);
}

static void outside_room(void **)
{
	struct bib large;
	uint32_t added = 0;

	assert_int_equal(bib_init(&large, 800), 0);
	for (; bib_has_outside_room(&large); added++) {
		rte_be16_t port = rte_cpu_to_be_16((uint16_t)(added + 1));
		uint32_t number = bib_add(
			&large, bib_hash(&large, L4_DCCP, HOST, port), L4_DCCP, HOST, port, 0);

		large.mapping[number].outside = OUTSIDE;
		large.mapping[number].outside_port = port;
		bib_add_outside(&large, number);
	}
	assert_int_equal(added, 800 / 8 + 64);
	for (uint32_t port = 1; port <= added; port++)
		assert_true(bib_find_outside(
			&large, L4_DCCP, OUTSIDE, rte_cpu_to_be_16((uint16_t)port)));
	bib_free(&large);
}

static uint32_t add_dependent(uint64_t hash)
{
	uint32_t number = bib_add(&bib, hash, L4_UDP, HOST, PORT, 0);

	bib.mapping[number].flags |= MAPPING_DEPENDENT;
	return number;
}

static bool is_found(uint64_t hash, uint32_t number)
{
	struct index_search search = index_begin(&bib.by_inside, hash);
	uint32_t found;

	while ((found = index_next(&search)) && found != number)
		;
	return found == number;
}

// Mappings of one inside tuple for several remotes stand apart, and none of them is that for all.
static void dependent(void **)
{
	uint64_t all = bib_hash(&bib, L4_UDP, HOST, PORT);
	uint64_t address = bib_hash_dependent(&bib, L4_UDP, HOST, PORT, REMOTE, 0);
	uint64_t port = bib_hash_dependent(&bib, L4_UDP, HOST, PORT, REMOTE, RTE_BE16(53));
	uint64_t other = bib_hash_dependent(&bib, L4_UDP, HOST, PORT, OUTSIDE, RTE_BE16(53));
	uint32_t first, second, independent;

	assert_true(all != address && address != port && port != other && all != port);
	assert_true(port != bib_hash_dependent(&bib, L4_TCP, HOST, PORT, REMOTE, RTE_BE16(53)));
	assert_true(port != bib_hash_dependent(&bib, L4_UDP, OTHER, PORT, REMOTE, RTE_BE16(53)));
	first = add_dependent(address);
	second = add_dependent(port);
	assert_true(is_found(address, first) && is_found(port, second));
	assert_int_equal(bib_find_inside(&bib, L4_UDP, HOST, PORT), 0);
	independent = add(L4_UDP, HOST, PORT);
	assert_int_equal(bib_find_inside(&bib, L4_UDP, HOST, PORT), independent);
	// not even by the hash of the one that is
	bib_remove(&bib, independent, all);
	second = add_dependent(all);
	assert_int_equal(bib_find_inside(&bib, L4_UDP, HOST, PORT), 0);
	bib_remove(&bib, first, address);
	assert_true(!is_found(address, first) && is_found(all, second));
}

// As many as there is room for, each with a number of its own; those that are given back come again.
static void numbers(void **)
{
	bool taken[SIZE + 1] = {true};
	uint32_t number;

	for (unsigned i = 0; i < SIZE; i++) {
		number = add(L4_UDP, HOST, (rte_be16_t)i);
		assert_true(number <= SIZE && !taken[number]);
		taken[number] = true;
	}
	assert_int_equal(add(L4_UDP, HOST, SIZE), 0);
	assert_int_equal(bib_find_inside(&bib, L4_UDP, HOST, SIZE), 0);
	remove_again(7);
	remove_again(3);
	number = add(L4_TCP, HOST, 0);
	assert_int_equal(number, 3);
	assert_int_equal(add(L4_TCP, HOST, 1), 7);
	assert_int_equal(add(L4_TCP, HOST, 2), 0);
	assert_true(bib.used == SIZE && bib.count[2][L4_UDP] == SIZE - 2);
	for (number = 1; number <= SIZE; number++) {
		const struct mapping *m = &bib.mapping[number];

		assert_int_equal(
			bib_find_inside(&bib, mapping_l4(m), m->inside, m->inside_port), number);
	}
}

#define CASE(name)      cmocka_unit_test_setup_teardown(name, begin, end)
#define COLLIDING(name) cmocka_unit_test_setup_teardown(name, begin_colliding, end)

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(from_inside),
		COLLIDING(from_inside),
		CASE(from_outside),
		COLLIDING(from_outside),
		CASE(without_outside),
		cmocka_unit_test(outside_room),
		CASE(dependent),
		CASE(numbers),
		COLLIDING(numbers),
	};

	world_eal(argv[0], false, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
