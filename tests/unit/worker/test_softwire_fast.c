// SPDX-License-Identifier: BSD-3-Clause

// The short way of lw4o6 and MAP-E packets (worker/softwire_fast.c) does what the long one does, which packets in two
// segments always go: random ones, right and wrong, are sent both ways, and what comes of them is compared to the byte.

#include "net/tunnel.h"
#include "worker/softwire.h"

#include "both_ways.h"
#include "support/services.h"
#include "unit.h"

#include <rte_ip.h>

#define ROUNDS   2000
#define BINDINGS 32
#define RULES    4
#define DATA     64 // bytes, at most, behind what the first segment has

static const uint8_t relay[2][16] = {
	{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 1},
	{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 2},
};

static struct world *world;
static struct rand random_;
static struct map_rule rule[RULES];
static unsigned left[2]; // frames, by interface

static struct binding_entry binding(unsigned n)
{
	struct binding_entry e = {
		.ipv4 = rte_cpu_to_be_32(RTE_IPV4(198u, 51, 100, 0) + n / 4),
		.psid = (uint16_t)(n % 4),
		.geometry = {.offset = 2, .length = 2},
		.b4 = {0x20, 0x01, 0x0d, 0xb8, 0x01, [7] = (uint8_t)n, [15] = 1},
	};

	return e;
}

static int setup(void **)
{
	struct world_setup setup = world_setup();
	struct binding_table *table;

	setup.mbufs = 4095;
	world = world_new(&setup, 1000);
	world6_add(world, 1500);
	table = services_add_bindings(world, SERVICES_BR, "198.51.100.0/24", BINDINGS);
	for (unsigned i = 0; i < BINDINGS; i++) {
		struct binding_entry e = binding(i);

		assert_int_equal(binding_add(table, &e), 0);
	}
	for (unsigned i = 0; i < RULES; i++)
		rule[i] = (struct map_rule){
			.prefix6 = {0x20, 0x01, 0x0d, 0xb8, 0x02, (uint8_t)i},
			.prefix4 = RTE_IPV4(203u, 0, 116, 0) + (i << 8),
			.len6 = 48,
			.len4 = 24,
			.ea = 16,
			.geometry = {.offset = 6, .length = 8},
		};
	services_add_rules(world, SERVICES_MAP_BR, rule, RULES, 0, "2001:db8:200::/40");
	rand_seed_fixed(&random_, 6);
	return 0;
}

static int teardown(void **)
{
	assert_int_equal(rte_mempool_in_use_count(world->mbufs), 0);
	world_free(world);
	return 0;
}

static uint32_t any(uint32_t n)
{
	return rand_below(&random_, n);
}

// An IPv4 packet at `ip` between a subscriber and a host outside. Returns its length.
static uint16_t make_inner(uint8_t *ip, bool outward, uint32_t inside, uint16_t port)
{
	const rte_be32_t remote = rte_cpu_to_be_32(RTE_IPV4(93u, 184, 216, 0) + any(256));
	struct tuple t = {
		.l4 = any(2) ? L4_UDP : L4_TCP,
		.src = rte_cpu_to_be_32(inside),
		.dst = remote,
		.src_port = rte_cpu_to_be_16(port),
		.dst_port = RTE_BE16(443),
	};
	uint16_t length = (uint16_t)(40 + 1 + any(DATA));

	if (!outward)
		t = (struct tuple){t.l4, t.dst, t.src, t.dst_port, t.src_port};
	both_ways_make4(&random_, ip, length, &t, 0);
	return length;
}

// Of somebody who has a binding, or is under a rule.
static struct packet make(void)
{
	struct packet p = {0};
	uint8_t host[16];
	uint32_t inside;
	uint16_t port = (uint16_t)any(65536);
	bool outward = any(2), bound = any(2);

	if (bound) {
		struct binding_entry e = binding(any(BINDINGS));

		inside = rte_be_to_cpu_32(e.ipv4);
		if (any(8))
			port = (uint16_t)(psid_range_first(e.geometry, e.psid, any(3)) + any(4096));
		memcpy(host, e.b4, sizeof(host));
	} else {
		const struct map_rule *r = &rule[any(RULES)];

		inside = r->prefix4 | any(256);
		if (any(8))
			port |= 1024;
		map_address(r, inside, psid_of_port(r->geometry, port), host);
	}
	p.iface = outward ? WORLD_INSIDE : WORLD_OUTSIDE;
	if (outward) {
		make_inner(p.ip + TUNNEL_HEADER, true, inside, port);
		both_ways_wrap(&random_, &p, host, relay[!bound]);
	} else {
		p.length = make_inner(p.ip, false, inside, port);
		p.headers = 40;
	}
	both_ways_vary(&random_, &p);
	return p;
}

static void carry_both_ways(const struct packet *packet, unsigned n)
{
	struct outcome *whole = both_ways_carry(world, packet, n, false);
	struct outcome *split = both_ways_carry(world, packet, n, true);

	for (unsigned iface = 0; iface < 2; iface++)
		left[iface] += outcome_frames(whole, iface);
	assert_alike(whole, split);
	outcome_free(whole);
	outcome_free(split);
}

static void right_and_wrong(void **)
{
	struct packet packet[BURST_MAX / 2];

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned n = 1 + any(BURST_MAX / 2);

		for (unsigned i = 0; i < n; i++) {
			packet[i] = make();
			if (!any(3))
				both_ways_spoil(&random_, &packet[i]);
		}
		carry_both_ways(packet, n);
	}
	assert_true(left[WORLD_INSIDE] > ROUNDS);
	assert_true(left[WORLD_OUTSIDE] > ROUNDS);
}

// Somebody's ACL rules are looked at, whatever else is not.
static void marked(void **)
{
	struct softwire *softwires = world->snapshot->softwire;
	struct binding_entry e = binding(5);
	struct packet packet[BURST_MAX / 2];

	assert_int_equal(binding_mark(softwires[0].state->bindings, e.b4, true), 1);
	atomic_store(&softwires[1].state->marked, true);
	for (unsigned round = 0; round < ROUNDS / 10; round++) {
		for (unsigned i = 0; i < BURST_MAX / 2; i++)
			packet[i] = make();
		carry_both_ways(packet, BURST_MAX / 2);
	}
	binding_mark(softwires[0].state->bindings, e.b4, false);
	atomic_store(&softwires[1].state->marked, false);
}

// Of a table whose addresses are divided in two ways.
static void divided_differently(void **)
{
	struct binding_entry e = {.ipv4 = RTE_BE32(RTE_IPV4(198u, 51, 100, 200)),
		.b4 = {0x20, 0x01, 0x0d, 0xb8, 0x01, [15] = 9}};
	struct packet packet[BURST_MAX / 2];

	assert_int_equal(binding_add(world->snapshot->softwire[0].state->bindings, &e), 0);
	for (unsigned round = 0; round < ROUNDS / 10; round++) {
		for (unsigned i = 0; i < BURST_MAX / 2; i++)
			packet[i] = make();
		carry_both_ways(packet, BURST_MAX / 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_and_wrong),
		cmocka_unit_test(marked),
		cmocka_unit_test(divided_differently),
	};

	world_eal("test_softwire_fast", false, 128);
	return cmocka_run_group_tests(tests, setup, teardown);
}
