// SPDX-License-Identifier: BSD-3-Clause

// Verdicts that no traffic can bring about at will in a running box, because what must be full or slow there is
// not: the rings between threads, a device's queue; and the one that takes an upstream network to ask for it.

#include "base/subkey.h"
#include "msg/msg.h"
#include "table/acl.h"

#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>

#define RING  4095 // frames that a ring between two workers holds
#define QUEUE 64

static rte_be32_t host(unsigned n)
{
	return rte_cpu_to_be_32(RTE_IPV4(100u, 64, 1, 0) + n);
}

// One datagram from a subscriber to 198.51.100.1, received by worker 0.
static void send_from(struct world *world, unsigned from)
{
	struct tuple t = {.l4 = L4_UDP,
		.src = host(from),
		.src_port = RTE_BE16(2000),
		.dst = RTE_BE32(RTE_IPV4(198u, 51, 100, 1)),
		.dst_port = RTE_BE16(80)};
	uint8_t ip[PACKET_MAX] = {0};

	packet_make(ip, 28, &t, 0, 64);
	world_receive(world, WORLD_INSIDE, world_frame(world, WORLD_INSIDE, ip, 28));
}

static bool leaves(struct world *world)
{
	struct rte_mbuf *m = world_sent(world, 0, WORLD_OUTSIDE);

	rte_pktmbuf_free(m);
	return m;
}

// In the box the control thread tells the owner of the subscriber; here it is not there yet, and asks itself
// when it comes.
static void on_mark(void *, const struct subkey *, bool)
{
}

// A rule against what subscriber 1 sends to 198.51.100.0/24. Returns its slot.
static uint32_t mitigate(struct world *world, enum acl_action action)
{
	struct acl_rule rule = {
		.subscriber = subkey_v4(host(1), world->snapshot->policy[0]->instance),
		.any_protocol = true,
		.upper_port = UINT16_MAX,
		.upper_type = UINT8_MAX,
		.action = action,
		.rate = 8000,
	};
	uint32_t slot;

	ipprefix_parse("198.51.100.0/24", &rule.target, NULL);
	acl_watch(world->acl, on_mark, NULL);
	assert_int_equal(acl_add(world->acl, &rule, &slot), 0);
	return slot;
}

// A mitigation stops its subscriber alone, before it makes any state, until it is taken back.
static void acl(void **)
{
	struct world_setup setup = world_setup();
	struct world *world = world_new(&setup, 1000);
	uint32_t slot = mitigate(world, ACL_BLOCK);

	send_from(world, 1);
	assert_false(leaves(world));
	assert_int_equal(world_verdicts(world, V_ACL), 1);
	assert_int_equal(world->dataplane.worker[0]->nat.bib.used, 0);
	send_from(world, 2);
	assert_true(leaves(world));
	acl_remove(world->acl, slot);
	send_from(world, 1);
	assert_true(leaves(world));
	assert_int_equal(world_verdicts(world, V_ACL), 1);
	world_free(world);
}

// What is within the rate passes, the rest is dropped.
// A rule that only counts tells the control thread the flows it has seen, so many in a second, and copies
// nothing.
static void acl_count_tells_flows(void **)
{
	struct world_setup setup = world_setup();
	struct world *world = world_new(&setup, 1000);
	struct worker *w = world->dataplane.worker[0];
	struct msg msg[16];
	unsigned told = 0;

	mitigate(world, ACL_COUNT);
	world->snapshot->copy_rate = w->copy_tokens = 3;
	for (unsigned i = 0; i < 5; i++) {
		send_from(world, 1);
		assert_true(leaves(world));
	}
	for (unsigned i = 0, n = channel_hear(&w->channel, msg, 16); i < n; i++) {
		if (msg[i].type != MSG_COPY)
			continue;
		assert_null(msg[i].copy.mbuf);
		assert_int_equal(msg[i].copy.length, 28);
		told++;
	}
	assert_int_equal(told, 3);
	assert_int_equal(w->stats.copies + w->stats.copies_missed, 0);
	world_free(world);
}

static void acl_rate(void **)
{
	struct world_setup setup = world_setup();
	struct world *world = world_new(&setup, 1000);
	unsigned passed = 0;

	mitigate(world, ACL_RATE_LIMIT);
	for (unsigned i = 0; i < 2000; i++) {
		send_from(world, 1);
		passed += leaves(world);
	}
	assert_true(passed > 0 && passed < 1000);
	assert_int_equal(world_verdicts(world, V_ACL_RATE), 2000 - passed);
	world_free(world);
}

static void quarantine(void **)
{
	struct world_setup setup = world_setup();
	struct world *world = world_new(&setup, 1000);

	mitigate(world, ACL_QUARANTINE);
	send_from(world, 1);
	assert_false(leaves(world));
	assert_int_equal(world_verdicts(world, V_QUARANTINE), 1);
	send_from(world, 2);
	assert_true(leaves(world));
	world_free(world);
}

// Nobody takes the records of port blocks: without room for one there is no block, and flows that exist go on
// (RFC 6888 REQ-14: the log is never short).
static void log_full(void **)
{
	struct world_setup setup = world_setup();
	struct world *world;
	struct msg msg;
	unsigned n;

	setup.size.subscribers = setup.size.blocks = 2 * CHANNEL_MESSAGES;
	setup.size.mappings = 4 * CHANNEL_MESSAGES;
	setup.pool_last = setup.pool_first + 255;
	world = world_new(&setup, 1000);
	// no ICMP errors: what they answer is counted when they are sent
	world->dataplane.worker[0]->icmp_tokens = 0;
	for (n = 0; n < 2 * CHANNEL_MESSAGES && !world_verdicts(world, V_LOG_FULL); n++) {
		send_from(world, n);
		assert_int_equal(leaves(world), !world_verdicts(world, V_LOG_FULL));
	}
	assert_int_equal(world_verdicts(world, V_LOG_FULL), 1);
	assert_true(n > CHANNEL_MESSAGES / 2);
	send_from(world, 0);
	assert_true(leaves(world));
	assert_int_equal(channel_hear(&world->dataplane.worker[0]->channel, &msg, 1), 1);
	assert_true(msg.type == MSG_BLOCK && msg.block.granted);
	send_from(world, n - 1);
	assert_true(leaves(world));
	world_free(world);
}

// Another worker does not take what it is handed.
static void ring(void **)
{
	struct world_setup setup = world_setup();
	struct world *world;
	unsigned others = 0;

	setup.workers = 2;
	setup.mbufs = 8191;
	world = world_new(&setup, 1000);
	while (pool_worker_of_inside(host(others), 2) != 1)
		others++;
	for (unsigned i = 0; i < RING + 3; i++)
		send_from(world, others);
	assert_int_equal(world_verdicts(world, V_RING), 3);
	assert_int_equal(rte_mempool_in_use_count(world->mbufs), RING);
	assert_int_equal(world->dataplane.worker[0]->stats.steered, RING);
	world_free(world);
}

// The device takes no more.
static void transmit_queue(void **)
{
	struct world_setup setup = world_setup();
	struct world *world = world_new(&setup, 1000);
	struct rte_ring *rx = rte_ring_create("rx", QUEUE, SOCKET_ID_ANY, 0);
	struct rte_ring *tx = rte_ring_create("tx", QUEUE, SOCKET_ID_ANY, 0);
	int id = rte_eth_from_rings("device", &rx, 1, &tx, 1, 0);
	struct rte_eth_conf conf = {0};
	void *sent;

	assert_true(id >= 0);
	assert_int_equal(rte_eth_dev_configure((uint16_t)id, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup((uint16_t)id, 0, QUEUE, 0, NULL, world->mbufs), 0);
	assert_int_equal(rte_eth_tx_queue_setup((uint16_t)id, 0, QUEUE, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start((uint16_t)id), 0);
	world->dataplane.port[WORLD_OUTSIDE] =
		(struct port){.id = (uint16_t)id, .queues = 1, .started = true};
	for (unsigned i = 0; i < 100; i++)
		send_from(world, i);
	transmit_flush(world->dataplane.worker[0]);
	assert_int_equal(world_verdicts(world, V_NAT44_OUT), QUEUE - 1);
	assert_int_equal(world_verdicts(world, V_TRANSMIT), 100 - (QUEUE - 1));
	while (!rte_ring_dequeue(tx, &sent))
		rte_pktmbuf_free(sent);
	assert_int_equal(rte_mempool_in_use_count(world->mbufs), 0);
	rte_eth_dev_stop((uint16_t)id);
	rte_eth_dev_close((uint16_t)id);
	world_free(world);
}

// A datagram is too large for the way out and there is no buffer for its pieces.
static void buffers(void **)
{
	struct world_setup setup = world_setup();
	struct world *world;
	struct tuple t = {.l4 = L4_UDP,
		.src = host(1),
		.src_port = RTE_BE16(2000),
		.dst = RTE_BE32(RTE_IPV4(198u, 51, 100, 1)),
		.dst_port = RTE_BE16(80)};
	uint8_t ip[PACKET_MAX] = {0};
	struct rte_mbuf *m, *taken[1023];
	unsigned n = 0;

	setup.mtu = 1400;
	world = world_new(&setup, 1000);
	packet_make(ip, 1450, &t, 0, 64);
	ip[6] = 0;
	packet_mend(ip, 1450);
	m = world_frame(world, WORLD_INSIDE, ip, 1450);
	while ((taken[n] = rte_pktmbuf_alloc(world->mbufs)))
		n++;
	world_receive(world, WORLD_INSIDE, m);
	assert_int_equal(world_verdicts(world, V_BUFFER), 1);
	assert_false(leaves(world));
	rte_pktmbuf_free_bulk(taken, n);
	world_receive(world, WORLD_INSIDE, world_frame(world, WORLD_INSIDE, ip, 1450));
	assert_true(leaves(world));
	assert_true(leaves(world));
	assert_int_equal(rte_mempool_in_use_count(world->mbufs), 0);
	world_free(world);
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acl),
		cmocka_unit_test(acl_count_tells_flows),
		cmocka_unit_test(acl_rate),
		cmocka_unit_test(quarantine),
		cmocka_unit_test(log_full),
		cmocka_unit_test(ring),
		cmocka_unit_test(transmit_queue),
		cmocka_unit_test(buffers),
	};

	world_eal(argv[0], false, 256);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
