// SPDX-License-Identifier: BSD-3-Clause

// The short way of lw4o6 and MAP packets (worker/softwire_fast.c) does what the long one does, which packets in two
// segments always go: random ones, right and wrong, are sent both ways, and what comes of them is compared to the byte.

#include "base/bits.h"
#include "net/hdr6.h"
#include "net/tunnel.h"
#include "worker/softwire.h"

#include "both_ways.h"
#include "support/services.h"
#include "unit.h"

#include <rte_ip.h>

#define ROUNDS   2000
#define BINDINGS 32
#define RULES    4
#define MAP_T    2  // of them, the last
#define DATA     64 // bytes, at most, behind what the first segment has

static const uint8_t relay[] = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 1};

static struct world *world;
static struct rand random_;
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

// Those of MAP-T have a DMR each, and the last gives whole prefixes to subscribers.
static void add_rules(void)
{
	static const char dmr[] = "2001:db8:fffc::/64";
	struct map_rule rule[RULES];
	struct nat64pfx *last;
	struct ipprefix prefix;

	for (unsigned i = 0; i < RULES; i++)
		rule[i] = (struct map_rule){
			.prefix6 = {0x20, 0x01, 0x0d, 0xb8, 0x02, (uint8_t)i},
			.prefix4 = RTE_IPV4(203u, 0, 116, 0) + (i << 8),
			.len6 = 48,
			.len4 = 24,
			.ea = 16,
			.geometry = {.offset = 6, .length = 8},
		};
	rule[RULES - 1].ea = 4;
	rule[RULES - 1].geometry = (struct psid_geometry){0};
	services_add_rules(world, SERVICES_MAP_BR, rule, RULES, MAP_T, "2001:db8:200::/40");
	last = &world->snapshot->softwire[RULES].dmr;
	ipprefix_parse(dmr, &prefix, NULL);
	last->len = prefix.len;
	memcpy(last->bytes, prefix.addr.bytes, sizeof(last->bytes));
	world6_route(world, dmr, world6_find(world, "2001:db8:fffd::"));
}

static int setup(void **)
{
	struct world_setup setup = world_setup();
	struct binding_table *table;
	struct ipid *ids;

	setup.mbufs = 4095;
	world = world_new(&setup, 1000);
	world6_add(world, 1500);
	table = services_add_bindings(world, SERVICES_BR, "198.51.100.0/24", BINDINGS);
	for (unsigned i = 0; i < BINDINGS; i++) {
		struct binding_entry e = binding(i);

		assert_int_equal(binding_add(table, &e), 0);
	}
	add_rules();
	// whoever gets an identification gets the same
	ids = &world->dataplane.worker[0]->ids;
	ids->shift = 16;
	ids->worker = 45;
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

// A subscriber's address, by both protocols, and a port.
struct end {
	const struct softwire *softwire;
	uint8_t address[16];
	uint32_t ipv4;
	uint16_t port;
};

// One of those behind a border relay, which is the first or one of the rules'. Any port may be his by chance.
static struct end end_behind(unsigned number, bool is_his)
{
	struct end end = {
		.softwire = &world->snapshot->softwire[number],
		.port = (uint16_t)any(65536),
	};
	const struct map_rule *r = &end.softwire->rule;
	bool maps = end.softwire->kind == SOFTWIRE_MAP_T;

	if (!number) {
		struct binding_entry e = binding(any(BINDINGS));

		end.ipv4 = rte_be_to_cpu_32(e.ipv4);
		if (is_his)
			end.port = (uint16_t)(psid_range_first(e.geometry, e.psid, any(3)) +
				any(4096));
		memcpy(end.address, e.b4, sizeof(end.address));
		return end;
	}
	end.ipv4 = r->prefix4 | any(256);
	if (is_his)
		end.port |= 1024;
	(maps ? map_host_address : map_address)(
		r, end.ipv4, psid_of_port(r->geometry, end.port), end.address);
	return end;
}

// A host outside; or nobody, or an inside network, the box, a pool, a binding or a rule.
static uint32_t any_remote(void)
{
	static const uint32_t other[] = {RTE_IPV4(127u, 0, 0, 1), RTE_IPV4(10u, 0, 0, 1),
		RTE_IPV4(100u, 64, 0, 9), RTE_IPV4(192u, 0, 2, 1), RTE_IPV4(203u, 0, 113, 5),
		RTE_IPV4(198u, 51, 100, 1), RTE_IPV4(203u, 0, 119, 1)};

	return any(16) ? RTE_IPV4(93u, 184, 216, 0) + any(256) : other[any(ARRAY_LEN(other))];
}

// Of an IPv4 packet, so that now and then one of the lengths that it has on its way is at a limit.
static uint16_t any_length(void)
{
	static const uint16_t limit[] = {1260, 1280, 1460, 1480, 1500};

	return (uint16_t)(any(4) ? 41 + any(DATA) : limit[any(ARRAY_LEN(limit))] - 2 + any(5));
}

// An ordinary packet from a subscriber to a host outside, by its border relay or the DMR of another, or to him.
static struct packet make_for(const struct end *end, const struct softwire *by, uint32_t remote,
	uint16_t length, bool outward)
{
	struct packet p = {.iface = outward ? WORLD_INSIDE : WORLD_OUTSIDE};
	struct tuple t = {
		.l4 = any(2) ? L4_UDP : L4_TCP,
		.src = rte_cpu_to_be_32(end->ipv4),
		.dst = rte_cpu_to_be_32(remote),
		.src_port = rte_cpu_to_be_16(end->port),
		.dst_port = RTE_BE16(443),
	};
	uint8_t to[16];

	if (!outward) {
		t = (struct tuple){t.l4, t.dst, t.src, t.dst_port, t.src_port};
		both_ways_make4(&random_, p.ip, length, &t, 0);
		p.length = length;
		p.headers = 40;
		return p;
	}
	both_ways_make4(&random_, p.ip + TUNNEL_HEADER, length, &t, 0);
	if (end->softwire->kind == SOFTWIRE_MAP_T) {
		nat64pfx_embed(&by->dmr, t.dst, to);
		both_ways_become6(&random_, &p, end->address, to);
	} else {
		both_ways_wrap(&random_, &p, end->address,
			end->softwire->kind == SOFTWIRE_BINDING ? relay : end->softwire->br);
	}
	return p;
}

// Of somebody who has a binding, or is under a rule.
static struct packet make(void)
{
	struct end end = end_behind(any(2) ? 0 : 1 + any(RULES), any(8));
	const struct softwire *by = end.softwire;
	struct packet p;

	if (!any(16))
		by = &world->snapshot->softwire[RULES - any(MAP_T)];
	if (!any(16))
		end.address[any(16)] ^= (uint8_t)(1u << any(8));
	p = make_for(&end, by, any_remote(), any_length(), any(2));
	// IPv6 is for those inside
	if (p.ip[0] >> 4 == 6 && !any(32))
		p.iface = WORLD_OUTSIDE;
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

// A packet that nothing is wrong with.
static struct packet make_ordinary(const struct end *end, bool outward)
{
	return make_for(end, end->softwire, RTE_IPV4(93u, 184, 216, 34), 1000, outward);
}

// Somebody's ACL rules are looked at, whatever else is not.
static void marked(void **)
{
	struct softwire *softwires = world->snapshot->softwire;
	struct binding_entry e = binding(5);
	struct end end = end_behind(RULES, true);
	struct packet packet[BURST_MAX / 2], out = make_ordinary(&end, true);

	assert_int_equal(binding_mark(softwires[0].state->bindings, e.b4, true), 1);
	atomic_store(&softwires[1].state->marked, true);
	atomic_store(&softwires[RULES].state->marked, true);
	assert_false(both_ways_is_short(world, &out, softwire_fast_out));
	for (unsigned round = 0; round < ROUNDS / 10; round++) {
		for (unsigned i = 0; i < BURST_MAX / 2; i++)
			packet[i] = make();
		carry_both_ways(packet, BURST_MAX / 2);
	}
	binding_mark(softwires[0].state->bindings, e.b4, false);
	atomic_store(&softwires[1].state->marked, false);
	atomic_store(&softwires[RULES].state->marked, false);
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

// A subscriber whose route does not lead inside.
static void routed_outside(void **)
{
	struct binding_entry e = binding(1);
	struct end end = {
		.softwire = world->snapshot->softwire,
		.ipv4 = RTE_IPV4(198u, 51, 100, 201),
		.port = psid_range_first(e.geometry, e.psid, 1),
	};
	struct packet in = make_ordinary(&end, false);

	e.ipv4 = rte_cpu_to_be_32(end.ipv4);
	memcpy(e.b4, &(uint8_t[16]){0x20, 0x01, 0x0d, 0xb9, [15] = 1}, sizeof(e.b4));
	assert_int_equal(binding_add(end.softwire->state->bindings, &e), 0);
	assert_false(both_ways_is_short(world, &in, nat44_fast));
	carry_both_ways(&in, 1);
}

static uint64_t short_way_in(struct worker *w, struct burst *b, uint64_t mask)
{
	hdr_read(b, mask);
	return softwire_fast_in(w, b, classify(w, b, mask).softwire);
}

static void ordinary_ones(void **)
{
	for (unsigned n = 0; n < 32 * (1 + RULES); n++) {
		struct end end = end_behind(n % (1 + RULES), true);
		struct packet out = make_ordinary(&end, true), in = make_ordinary(&end, false);

		assert_true(both_ways_is_short(world, &out, softwire_fast_out));
		assert_true(both_ways_is_short(world, &in, nat44_fast));
		assert_true(both_ways_is_short(world, &in, short_way_in));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_ones),
		cmocka_unit_test(right_and_wrong),
		cmocka_unit_test(marked),
		cmocka_unit_test(routed_outside),
		cmocka_unit_test(divided_differently),
	};

	world_eal("test_softwire_fast", false, 128);
	return cmocka_run_group_tests(tests, setup, teardown);
}
