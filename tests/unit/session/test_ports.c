// SPDX-License-Identifier: BSD-3-Clause

// Which outside ports come: hard to guess (RFC 7857 section 9, RFC 6056), each as likely as any other, and in
// another order each time.

#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#include <rte_ip.h>

#define BLOCK 64
#define FLOWS 10240 // 160 for each place in a block

// Opens a flow and returns its outside port.
static uint16_t open_flow(struct world *world, unsigned host, unsigned port)
{
	struct tuple t = {
		.l4 = L4_UDP,
		.src = rte_cpu_to_be_32(RTE_IPV4(100u, 64, 1, 0) + host),
		.src_port = rte_cpu_to_be_16((uint16_t)(2000 + port)),
		.dst = RTE_BE32(RTE_IPV4(198u, 51, 100, 1)),
		.dst_port = RTE_BE16(80),
	};
	uint8_t ip[PACKET_MAX] = {0};
	struct rte_mbuf *m;

	packet_make(ip, 28, &t, 0, 64);
	world_receive(world, WORLD_INSIDE, world_frame(world, WORLD_INSIDE, ip, 28));
	m = world_sent(world, 0, WORLD_OUTSIDE);
	assert_non_null(m);
	world_pass(world, 1000); // takes the records of blocks away
	t = packet_tuple(rte_pktmbuf_mtod_offset(m, uint8_t *, 14));
	rte_pktmbuf_free(m);
	return rte_be_to_cpu_16(t.src_port);
}

static struct world *make(void)
{
	struct world_setup setup = world_setup();

	setup.size = (struct nat_size){
		.mappings = 32768, .sessions = 1024, .subscribers = 16384, .blocks = 16384};
	return world_new(&setup, 1000);
}

// Chi-square over the places in a block that first flows get: with 63 degrees of freedom it exceeds 149 once
// in 10^8 runs if each place is as likely.
static void each_place_as_likely(void **)
{
	struct world *world = make();
	unsigned count[BLOCK] = {0};
	double expected = (double)FLOWS / BLOCK, sum = 0;

	for (unsigned i = 0; i < FLOWS; i++)
		count[open_flow(world, i, 0) % BLOCK]++;
	for (unsigned i = 0; i < BLOCK; i++)
		sum += (count[i] - expected) * (count[i] - expected) / expected;
	if (sum > 149)
		fail_msg("chi-square %f", sum);
	world_free(world);
}

// The blocks too: by the upper bits of the ports, 16 groups, 15 degrees of freedom, 70 once in 10^8. The
// first of the 1008 blocks are missing, for the system ports.
static void each_block_as_likely(void **)
{
	struct world *world = make();
	unsigned count[16] = {0};
	double sum = 0;

	for (unsigned i = 0; i < FLOWS; i++)
		count[open_flow(world, i, 0) >> 12]++;
	for (unsigned i = 0; i < 16; i++) {
		double expected = (double)FLOWS * (i ? 64 : 48) / 1008;

		sum += (count[i] - expected) * (count[i] - expected) / expected;
	}
	if (sum > 70)
		fail_msg("chi-square %f", sum);
	world_free(world);
}

// Two boxes with the same configuration give the same flows other ports; and within a block the order has no
// step that comes much more often than others.
static void another_order_each_time(void **)
{
	struct world *world = make();
	unsigned same = 0, steps[2 * BLOCK] = {0};
	uint16_t first[BLOCK], port;

	for (unsigned i = 0; i < BLOCK; i++)
		first[i] = open_flow(world, 0, i);
	world_free(world);
	world = make();
	for (unsigned i = 0; i < BLOCK; i++) {
		port = open_flow(world, 0, i);
		same += port % BLOCK == first[i] % BLOCK;
	}
	world_free(world);
	assert_true(same < 20);
	for (unsigned i = 1; i < BLOCK; i++) {
		unsigned step = BLOCK + first[i] % BLOCK - first[i - 1] % BLOCK;

		assert_true(++steps[step] < 12);
	}
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_place_as_likely),
		cmocka_unit_test(each_block_as_likely),
		cmocka_unit_test(another_order_each_time),
	};

	world_eal(argv[0], false, 256);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
