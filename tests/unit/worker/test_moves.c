// SPDX-License-Identifier: BSD-3-Clause

// Free port blocks move to a worker whose subscribers need them (table/moves.h): nobody is refused while the pool
// has ports, no port is two subscribers', and what comes in finds its way, whoever receives it.

#include "base/bits.h"
#include "table/moves.h"

#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#include <rte_ip.h>

#define BEGIN     1000
#define HOUR      28800 // ticks
#define WORKERS   4
#define BLOCK     4096
#define BLOCKS    15 // of an address: the sixteenth has the system ports
#define FLOWS_MAX 4096
#define REMOTE    RTE_BE32(RTE_IPV4(198u, 51, 100, 1))

static struct world *world;
static uint32_t now;
static struct tuple flow[FLOWS_MAX]; // src: inside, dst: outside
static unsigned flows;

static void make(unsigned block_bits, unsigned addresses)
{
	struct world_setup setup = world_setup();

	setup.workers = WORKERS;
	setup.block_bits = block_bits;
	setup.pool_last = setup.pool_first + addresses - 1;
	setup.max_blocks = 255;
	setup.size = (struct nat_size){
		.mappings = 16384, .sessions = 64, .subscribers = 4096, .blocks = 16384};
	setup.memory_mb = 256;
	flows = 0;
	now = BEGIN;
	world = world_new(&setup, now);
	// what is refused is only counted
	for (unsigned i = 0; i < WORKERS; i++)
		world->dataplane.worker[i]->icmp_tokens = 0;
}

// Host n of those that a worker has.
static rte_be32_t host_of(unsigned worker, unsigned n)
{
	rte_be32_t host;

	for (uint32_t i = 0;; i++) {
		host = rte_cpu_to_be_32(RTE_IPV4(100u, 64, 0, 16) + i);
		if (pool_worker_of_inside(host, WORKERS) == worker && !n--)
			return host;
	}
}

static struct rte_mbuf *take_sent(unsigned iface)
{
	struct rte_mbuf *sent = NULL;

	for (unsigned i = 0; i < WORKERS; i++) {
		struct rte_mbuf *m = world_sent(world, i, iface);

		if (!m)
			continue;
		assert_null(sent);
		sent = m;
	}
	return sent;
}

static struct rte_mbuf *packet(unsigned iface, const struct tuple *t)
{
	uint8_t ip[PACKET_MAX] = {0};

	packet_make(ip, 28, t, 0, 64);
	return world_frame(world, iface, ip, 28);
}

// A first packet of a host, received by any worker. Returns whether it came through, and remembers its ports then.
static bool open_flow(rte_be32_t host, unsigned port)
{
	struct tuple t = {.l4 = L4_UDP,
		.src = host,
		.src_port = rte_cpu_to_be_16((uint16_t)port),
		.dst = REMOTE,
		.dst_port = RTE_BE16(80)};
	struct rte_mbuf *m;

	world_carry(world, port % WORKERS, WORLD_INSIDE, packet(WORLD_INSIDE, &t));
	world_hear(world);
	m = take_sent(WORLD_OUTSIDE);
	if (!m)
		return false;
	t = packet_tuple(rte_pktmbuf_mtod_offset(m, uint8_t *, 14));
	rte_pktmbuf_free(m);
	for (unsigned i = 0; i < flows; i++)
		assert_false(flow[i].dst == t.src && flow[i].dst_port == t.src_port);
	flow[flows++] = (struct tuple){.src = host,
		.src_port = rte_cpu_to_be_16((uint16_t)port),
		.dst = t.src,
		.dst_port = t.src_port};
	return true;
}

// The same where the first packet may find that the worker has given all its blocks away.
static void open_soon(rte_be32_t host, unsigned port)
{
	if (!open_flow(host, port))
		assert_true(open_flow(host, port));
}

// An answer to each flow comes to its host, by whichever worker it is received.
static void answer_all(void)
{
	for (unsigned i = 0; i < flows; i++) {
		struct tuple t = {L4_UDP, REMOTE, flow[i].dst, RTE_BE16(80), flow[i].dst_port};
		struct rte_mbuf *m;

		world_carry(world, i % WORKERS, WORLD_OUTSIDE, packet(WORLD_OUTSIDE, &t));
		m = take_sent(WORLD_INSIDE);
		assert_non_null(m);
		t = packet_tuple(rte_pktmbuf_mtod_offset(m, uint8_t *, 14));
		rte_pktmbuf_free(m);
		assert_true(t.dst == flow[i].src && t.dst_port == flow[i].src_port);
	}
}

static uint64_t taken(unsigned worker)
{
	return world->dataplane.worker[worker]->stats.blocks_taken;
}

static void pass(uint32_t ticks)
{
	now += ticks;
	world_pass(world, now);
}

// All mappings end, their blocks are given back and rest.
static void forget_all(void)
{
	for (unsigned i = 0; i < 3; i++)
		pass(HOUR);
	flows = 0;
}

static void finish(void)
{
	uint64_t given = 0, all = 0, free_blocks = 0, blocks = 0;

	forget_all();
	for (unsigned i = 0; i < WORKERS; i++) {
		given += world->dataplane.worker[i]->stats.blocks_given;
		all += taken(i);
		free_blocks += world->pool->free[i];
	}
	for (uint32_t i = 0; i < pool_blocks_an_address(world->pool); i++)
		blocks += pool_block_ports(world->pool, i) ? world->pool->addresses : 0;
	assert_int_equal(given, all);
	assert_int_equal(free_blocks, blocks);
	assert_int_equal(rte_mempool_in_use_count(world->mbufs), 0);
	world_free(world);
}

// One worker's subscribers have the whole pool, then another's.
static void one_worker_needs_all(void **)
{
	make(12, 1);
	for (unsigned turn = 0; turn < 3; turn++) {
		unsigned worker = turn % 2;

		for (unsigned i = 0; i < BLOCKS; i++)
			open_soon(host_of(worker, i), 5000 + i);
		assert_false(open_flow(host_of(worker, BLOCKS), 6000));
		assert_true(taken(worker) >= BLOCKS - BLOCKS / WORKERS - 1);
		answer_all();
		forget_all();
	}
	// besides the last of each turn, the first where the other had all
	assert_int_equal(world_verdicts(world, V_POOL), 3 + 2);
	finish();
}

// A pool whose addresses are dealt by their hash, so that devices may steer by it.
static void whole_addresses(void **)
{
	unsigned own = 0;

	make(12, 16 * WORKERS);
	for (uint32_t i = 0; i < world->pool->addresses; i++)
		own += pool_entry_worker(
			       pool_entry(world->pool, pool_index(world->pool, i, BLOCK))) == 2;
	for (unsigned i = 0; i < 16 * WORKERS * BLOCKS; i++) {
		assert_true(open_flow(host_of(2, i), 5000 + i));
		pass(1);
	}
	assert_false(open_flow(host_of(2, 16 * WORKERS * BLOCKS), 6000));
	assert_true(taken(2) == (16 * WORKERS - own) * BLOCKS);
	answer_all();
	finish();
}

// A subscriber stays with his address, and gets what other workers have of it (RFC 4787 REQ-2).
static void paired_address(void **)
{
	rte_be32_t host;

	make(12, 2);
	host = host_of(3, 0);
	// 6 blocks, of which his worker had no more than 4
	for (unsigned i = 0; i < 6 * BLOCK; i += BLOCK) {
		struct portblk *share = world->snapshot->policy[0]->share[3];

		open_soon(host, 1000 + i / 4);
		// as if all ports of the block were in use
		for (uint32_t n = 1; n < share->fresh; n++)
			share->block[n].used[L4_UDP] = share->block[n].ports;
	}
	assert_true(taken(3) > 0);
	for (unsigned i = 1; i < flows; i++)
		assert_int_equal(flow[i].dst, flow[0].dst);
	answer_all();
	world_free(world);
}

// How many new hosts of a worker can have a block each.
static unsigned open_all(unsigned worker)
{
	unsigned before = flows;

	for (unsigned refused = 0; refused < 2;)
		refused = open_flow(host_of(worker, flows), 5000 + flows) ? 0 : refused + 1;
	return flows - before;
}

// What rests is not free (RFC 6888 REQ-8), and a share that is closed has blocks that ought to rest.
static void resting_blocks_stay(void **)
{
	uint32_t step = 8; // a second

	make(12, 1);
	for (unsigned i = 0; i < WORKERS - 1; i++)
		assert_true(open_flow(host_of(1, i), 5000 + i));
	// to the moment when those blocks have been given back and rest
	while (world->dataplane.worker[1]->nat.bib.used)
		pass(step);
	flows = 0;
	while (world->snapshot->policy[0]->share[1]->block[1].state != BLOCK_RESTING)
		pass(step);
	assert_int_equal(open_all(0), BLOCKS - (WORKERS - 1));
	pass(120 * 8);
	assert_int_equal(open_all(0), WORKERS - 1);
	forget_all();
	world->snapshot->policy[0]->share[0]->closed_until = now + 8;
	assert_int_equal(open_all(1), 0);
	finish();
}

// A packet that is on its way to the old owner when a block gets a new one finds no mapping, and above all not that
// which the old owner has in a block with the same number.
static void packet_on_its_way(void **)
{
	struct worker *old, *other;
	uint32_t entry = UINT32_MAX;
	struct tuple t;

	make(12, 1);
	old = world->dataplane.worker[1];
	other = world->dataplane.worker[2];
	assert_true(open_flow(host_of(1, 0), 5000));
	for (uint32_t i = 1; i <= BLOCKS; i++) {
		if (pool_entry(world->pool, i) == 1u << 24)
			entry = i;
	}
	assert_true(entry != UINT32_MAX);
	t = (struct tuple){L4_UDP, REMOTE, flow[0].dst, RTE_BE16(80),
		rte_cpu_to_be_16(
			(uint16_t)(entry * BLOCK + rte_be_to_cpu_16(flow[0].dst_port) % BLOCK))};
	other->burst.n = 1;
	other->burst.mbuf[0] = packet(WORLD_OUTSIDE, &t);
	pipeline_run(other, &other->burst, WORLD_OUTSIDE);
	assert_int_equal(other->stats.steered, 1);
	// meanwhile
	pool_give(world->pool, entry, 0);
	pool_set_block(world->pool, entry, 1);
	assert_int_equal(rte_ring_sc_dequeue(old->from[2], (void **)&old->burst.mbuf[0]), 0);
	old->burst.n = 1;
	pipeline_resume(old, &old->burst);
	assert_null(take_sent(WORLD_INSIDE));
	assert_int_equal(world_verdicts(world, V_NO_MAPPING), 1);
	assert_int_equal(rte_mempool_in_use_count(world->mbufs), 0);
	world_free(world);
}

// A pool that a reload has replaced has nothing to do with what is on its way.
static void another_pool(void **)
{
	struct msg msg = {
		.type = MSG_BLOCKS_GIVE, .blocks = {.address = UINT32_MAX, .count = 8, .to = 1}};
	struct msg answer;
	uint32_t before;

	make(12, 1);
	before = world->pool->free[0];
	msg.blocks.pool = world->pool->id + 1;
	world_tell(world, 0, &msg);
	msg.type = MSG_BLOCKS_TAKE;
	msg.blocks.entries = 0xff00;
	world_tell(world, 1, &msg);
	msg.type = MSG_BLOCKS_WANTED;
	assert_int_equal(moves_answer(world->snapshot, &msg, &answer), -1);
	msg.blocks.pool = world->pool->id;
	assert_int_not_equal(moves_answer(world->snapshot, &msg, &answer), 0);
	assert_int_equal(world->pool->free[0], before);
	finish();
}

// Nobody tells when there is no room, and then nothing is given.
static void full_ring(void **)
{
	struct msg msg = {
		.type = MSG_BLOCKS_GIVE, .blocks = {.address = UINT32_MAX, .count = 8, .to = 1}};
	struct channel *channel;
	uint32_t before;

	make(12, 1);
	channel = &world->dataplane.worker[0]->channel;
	before = world->pool->free[0];
	msg.blocks.pool = world->pool->id;
	while (channel_say(channel, &(struct msg){.type = MSG_B4_CHANGE}))
		;
	world_tell(world, 0, &msg);
	assert_int_equal(world->pool->free[0], before);
	world_hear(world);
	world_tell(world, 0, &msg);
	assert_true(world->pool->free[0] < before);
	world_hear(world);
	finish();
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_needs_all),
		cmocka_unit_test(whole_addresses),
		cmocka_unit_test(paired_address),
		cmocka_unit_test(resting_blocks_stay),
		cmocka_unit_test(packet_on_its_way),
		cmocka_unit_test(another_pool),
		cmocka_unit_test(full_ring),
	};

	world_eal(argv[0], false, 512);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
