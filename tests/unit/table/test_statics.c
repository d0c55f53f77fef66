// SPDX-License-Identifier: BSD-3-Clause

// Static mappings: each endpoint finds the entry that covers it, from either side, and no other.

#include "base/bits.h"
#include "table/statics.h"

#include "unit.h"

#include <stdlib.h>

#define TCP 6
#define UDP 17

#define INSIDE(n)  RTE_BE32(0x64400000 + (n))
#define OUTSIDE(n) RTE_BE32(0xcb007100 + (n))

// Neither list is in order as it stands here. An address is large in one byte order and small in the other.
static const struct static_mapping entries[] = {
	{.index = 1,
		.protocol = TCP,
		.inside = INSIDE(2),
		.outside = OUTSIDE(1),
		.inside_lower = 8000,
		.outside_lower = 80,
		.ports = 9},
	{.index = 2,
		.protocol = UDP,
		.inside = INSIDE(2),
		.outside = OUTSIDE(1),
		.inside_lower = 8000,
		.outside_lower = 80,
		.ports = 9},
	{.index = 3,
		.protocol = TCP,
		.inside = INSIDE(2),
		.outside = OUTSIDE(1),
		.inside_lower = 8010,
		.outside_lower = 70},
	{.index = 4,
		.protocol = TCP,
		.inside = INSIDE(1),
		.outside = OUTSIDE(1),
		.inside_lower = 1,
		.outside_lower = 65535},
	{.index = 5,
		.protocol = TCP,
		.inside = INSIDE(0x100),
		.outside = OUTSIDE(3),
		.inside_lower = 0,
		.outside_lower = 0,
		.ports = 65535},
	{.index = 6, .inside = INSIDE(3), .outside = OUTSIDE(2)},
};

static struct static_mapping by_inside[ARRAY_LEN(entries)], by_outside[ARRAY_LEN(entries)];
static struct static_table table = {
	.count = ARRAY_LEN(entries), .by_inside = by_inside, .by_outside = by_outside};

static int sort(void **)
{
	memcpy(by_inside, entries, sizeof(entries));
	memcpy(by_outside, entries, sizeof(entries));
	static_table_sort(&table);
	return 0;
}

static void expect_inside(rte_be32_t address, uint8_t protocol, uint16_t port, uint32_t index)
{
	const struct static_mapping *m = static_by_inside(&table, address, protocol, port);

	assert_int_equal(m ? m->index : 0, index);
}

static void expect_outside(rte_be32_t address, uint8_t protocol, uint16_t port, uint32_t index)
{
	const struct static_mapping *m = static_by_outside(&table, address, protocol, port);

	assert_int_equal(m ? m->index : 0, index);
}

static void from_inside(void **)
{
	expect_inside(INSIDE(2), TCP, 7999, 0);
	expect_inside(INSIDE(2), TCP, 8000, 1);
	expect_inside(INSIDE(2), TCP, 8009, 1);
	expect_inside(INSIDE(2), TCP, 8010, 3);
	expect_inside(INSIDE(2), TCP, 8011, 0);
	expect_inside(INSIDE(2), TCP, 65535, 0);
	expect_inside(INSIDE(2), UDP, 8009, 2);
	expect_inside(INSIDE(2), UDP, 8010, 0);
	expect_inside(INSIDE(2), 33, 8000, 0);
	expect_inside(INSIDE(1), TCP, 0, 0);
	expect_inside(INSIDE(1), TCP, 1, 4);
	expect_inside(INSIDE(1), TCP, 2, 0);
	expect_inside(INSIDE(0x100), TCP, 0, 5);
	expect_inside(INSIDE(0x100), TCP, 65535, 5);
	expect_inside(INSIDE(0x100), UDP, 0, 0);
}

static void from_outside(void **)
{
	expect_outside(OUTSIDE(1), TCP, 69, 0);
	expect_outside(OUTSIDE(1), TCP, 70, 3);
	expect_outside(OUTSIDE(1), TCP, 71, 0);
	expect_outside(OUTSIDE(1), TCP, 80, 1);
	expect_outside(OUTSIDE(1), TCP, 89, 1);
	expect_outside(OUTSIDE(1), TCP, 90, 0);
	expect_outside(OUTSIDE(1), TCP, 65534, 0);
	expect_outside(OUTSIDE(1), TCP, 65535, 4);
	expect_outside(OUTSIDE(1), UDP, 89, 2);
	expect_outside(OUTSIDE(1), UDP, 70, 0);
	expect_outside(OUTSIDE(3), TCP, 0, 5);
	expect_outside(OUTSIDE(3), TCP, 65535, 5);
	// an inside address is none outside
	expect_outside(INSIDE(2), TCP, 8000, 0);
	expect_inside(OUTSIDE(1), TCP, 80, 0);
}

// A whole address covers all its protocols and ports, and nothing of its neighbours.
static void whole_addresses(void **)
{
	static const uint8_t protocols[] = {0, 1, TCP, UDP, 50, 255};

	for (unsigned i = 0; i < ARRAY_LEN(protocols); i++) {
		expect_inside(INSIDE(3), protocols[i], 0, 6);
		expect_inside(INSIDE(3), protocols[i], 65535, 6);
		expect_inside(INSIDE(4), protocols[i], 0, 0);
		expect_outside(OUTSIDE(2), protocols[i], 0, 6);
		expect_outside(OUTSIDE(2), protocols[i], 65535, 6);
		expect_outside(OUTSIDE(4), protocols[i], 0, 0);
	}
	expect_inside(INSIDE(0), TCP, 1, 0); // before all
	expect_outside(OUTSIDE(0), TCP, 1, 0);
}

static void nothing(void **)
{
	static const struct static_table empty;

	assert_null(static_by_inside(&empty, INSIDE(2), TCP, 8000));
	assert_null(static_by_outside(&empty, OUTSIDE(1), TCP, 80));
}

static struct static_host host(uint16_t instance, uint8_t first, rte_be32_t inner)
{
	return (struct static_host){
		.prefix = {first}, .address = {first, 1}, .inner = inner, .instance = instance};
}

static uint32_t number_of(const struct static_table *t, const struct static_host *h)
{
	return static_host_number(t, h->instance, h->prefix, h->inner);
}

// Hosts without an IPv4 address of their own have numbers, each one, and mappings from the places of those.
static void hosts(void **)
{
	static struct static_host all[16];
	struct static_table t = {.host = all};
	const struct static_host wanted[] = {host(7, 0x20, 0), host(1, 0x20, 0),
		host(7, 0x20, INSIDE(1)), host(7, 0xfd, 0), host(7, 0x20, INSIDE(2)),
		host(7, 0x20, 0), host(1, 0x20, 0)};
	const struct static_host stranger = host(7, 0x21, 0), other = host(2, 0x20, 0);
	uint32_t seen = 0;

	memcpy(&all[1], wanted, sizeof(wanted));
	static_hosts_sort(&t, ARRAY_LEN(wanted));
	assert_int_equal(t.hosts, 5);
	for (unsigned i = 0; i < ARRAY_LEN(wanted); i++) {
		uint32_t number = number_of(&t, &wanted[i]);
		struct static_mapping m = {.inside = static_place(number)};

		assert_in_range(number, 1, t.hosts);
		assert_ptr_equal(static_host_of(&t, &m), &all[number]);
		assert_memory_equal(&all[number], &wanted[i], sizeof(wanted[i]));
		seen |= 1u << number;
	}
	assert_int_equal(seen, 0x3e);
	assert_int_equal(number_of(&t, &stranger), 0);
	assert_int_equal(number_of(&t, &other), 0);
	assert_null(static_host_of(&t, &entries[0]));
	static_hosts_sort(&t, 0);
	assert_int_equal(t.hosts, 0);
	assert_int_equal(number_of(&t, &wanted[0]), 0);
}

// What a mapping is shown to be of: a host's own address, whoever it is behind.
static void insides(void **)
{
	static struct static_host all[] = {
		[1] = {.address = {0x20, 1}},
		[2] = {.address = {0x20, 2}, .inner = INSIDE(9)},
	};
	const struct static_table t = {.host = all, .hosts = 2};
	struct ipaddr own = ipaddr_v6(all[1].address), inner = ipaddr_v4(INSIDE(9));
	struct static_mapping m = {.inside = static_place(1)};
	struct ipaddr found = static_inside(&t, &m);

	assert_int_equal(ipaddr_compare(&found, &own), 0);
	m.inside = static_place(2);
	found = static_inside(&t, &m);
	assert_int_equal(ipaddr_compare(&found, &inner), 0);
	m.inside = INSIDE(9);
	found = static_inside(&t, &m);
	assert_int_equal(ipaddr_compare(&found, &inner), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_inside),
		cmocka_unit_test(from_outside),
		cmocka_unit_test(whole_addresses),
		cmocka_unit_test(nothing),
		cmocka_unit_test(hosts),
		cmocka_unit_test(insides),
	};

	return cmocka_run_group_tests(tests, sort, NULL);
}
