// SPDX-License-Identifier: BSD-3-Clause

// Destinations by another name: what an endpoint becomes on the other side.

#include "net/l4.h"
#include "table/dstnat.h"

#include "unit.h"

#define A(a, b, c, d) RTE_BE32((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define SLOT          7

static const struct dstnat entries[] = {
	// a range of ports, of TCP
	{.more = 9, .instance = 1, .policy = DSTNAT_ANY_POLICY},
	// all ports of UDP
	{.more = ENDPOINT_PORTS, .instance = 1, .policy = DSTNAT_ANY_POLICY},
	// a prefix, of one policy
	{.more = (UINT64_C(1) << (8 + ENDPOINT_ADDRESS)) - 1, .instance = 1, .policy = SLOT},
	// the same names in another instance
	{.more = ENDPOINT_PROTOCOLS, .instance = 2, .policy = DSTNAT_ANY_POLICY},
};

static int setup(void **state)
{
	static struct dstnat inside[4], outside[4];
	static struct dstnat_table table;
	const uint64_t from[] = {
		endpoint_make(A(10, 0, 0, 1), PROTOCOL_TCP, 80),
		endpoint_make(A(10, 0, 0, 1), PROTOCOL_UDP, 0),
		endpoint_make(A(10, 0, 2, 0), 0, 0),
		endpoint_make(A(10, 0, 0, 1), 0, 0),
	};
	const uint64_t to[] = {
		endpoint_make(A(192, 0, 2, 9), PROTOCOL_TCP, 8080),
		endpoint_make(A(192, 0, 2, 8), PROTOCOL_UDP, 0),
		endpoint_make(A(198, 51, 100, 0), 0, 0),
		endpoint_make(A(192, 0, 2, 9), 0, 0),
	};

	table = (struct dstnat_table){.by_inside = inside, .by_outside = outside};
	// in an order that neither list has
	for (unsigned i = 4; i-- > 0;) {
		struct dstnat entry = entries[i];

		entry.inside = from[i];
		entry.outside = to[i];
		dstnat_add(&table, &entry);
	}
	dstnat_table_sort(&table);
	*state = &table;
	return 0;
}

// Both ways between two endpoints, for an instance and policy.
static void assert_pair(const struct dstnat_table *t, uint16_t instance, uint8_t policy,
	uint64_t inside, uint64_t outside)
{
	assert_true(dstnat_to_outside(t, instance, policy, inside) == outside);
	assert_true(dstnat_to_inside(t, instance, policy, outside) == inside);
	assert_true(dstnat_may_have(t, endpoint_address(outside)));
}

// Neither way is there anything.
static void assert_alone(
	const struct dstnat_table *t, uint16_t instance, uint8_t policy, uint64_t endpoint)
{
	assert_true(dstnat_to_outside(t, instance, policy, endpoint) == endpoint);
	assert_true(dstnat_to_inside(t, instance, policy, endpoint) == endpoint);
}

static void ports(void **state)
{
	assert_pair(*state, 1, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_TCP, 80),
		endpoint_make(A(192, 0, 2, 9), PROTOCOL_TCP, 8080));
	assert_pair(*state, 1, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_TCP, 89),
		endpoint_make(A(192, 0, 2, 9), PROTOCOL_TCP, 8089));
	assert_alone(*state, 1, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_TCP, 79));
	assert_alone(*state, 1, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_TCP, 90));
	assert_alone(*state, 1, 0, endpoint_make(A(192, 0, 2, 9), PROTOCOL_TCP, 8090));
}

static void protocols(void **state)
{
	assert_pair(*state, 1, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_UDP, 65535),
		endpoint_make(A(192, 0, 2, 8), PROTOCOL_UDP, 65535));
	assert_alone(*state, 1, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_ICMP, 0));
	assert_alone(*state, 1, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_DCCP, 80));
}

static void prefixes(void **state)
{
	assert_pair(*state, 1, SLOT, endpoint_make(A(10, 0, 2, 0), 47, 0),
		endpoint_make(A(198, 51, 100, 0), 47, 0));
	assert_pair(*state, 1, SLOT, endpoint_make(A(10, 0, 2, 255), PROTOCOL_TCP, 65535),
		endpoint_make(A(198, 51, 100, 255), PROTOCOL_TCP, 65535));
	assert_alone(*state, 1, SLOT, endpoint_make(A(10, 0, 3, 0), PROTOCOL_TCP, 1));
	assert_alone(*state, 1, SLOT, endpoint_make(A(10, 0, 1, 255), PROTOCOL_TCP, 1));
	// a pool is its policy's alone
	assert_alone(*state, 1, SLOT + 1, endpoint_make(A(10, 0, 2, 0), 47, 0));
}

static void instances(void **state)
{
	assert_pair(*state, 2, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_TCP, 80),
		endpoint_make(A(192, 0, 2, 9), PROTOCOL_TCP, 80));
	assert_alone(*state, 0, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_TCP, 80));
	assert_alone(*state, 3, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_TCP, 80));
	assert_alone(*state, 2, SLOT, endpoint_make(A(10, 0, 2, 0), 47, 0));
}

static void empty(void **state)
{
	static const struct dstnat_table none;

	(void)state;
	assert_alone(&none, 1, 0, endpoint_make(A(10, 0, 0, 1), PROTOCOL_TCP, 80));
	assert_false(dstnat_may_have(&none, A(10, 0, 0, 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ports, setup),
		cmocka_unit_test_setup(protocols, setup),
		cmocka_unit_test_setup(prefixes, setup),
		cmocka_unit_test_setup(instances, setup),
		cmocka_unit_test(empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
