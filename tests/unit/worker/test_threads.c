// SPDX-License-Identifier: BSD-3-Clause

// Workers on threads of their own, while the control thread does all that it may do meanwhile: publishes
// snapshots and frees their predecessors, adds and removes mitigations and neighbours, asks for rows, reads
// counters, and moves free port blocks and the clock. In the end each packet has had one verdict, every buffer
// is back, and no port block was ever granted to two subscribers at one time, or lost.
//
//	test_worker_threads [MINUTES]
//
// With MINUTES it is a soak: it goes on for so long, tells every ten seconds what a packet takes and what memory is
// in use, and in the end no memory may be.
//
// With -Db_sanitize=thread a race detector looks on.

#include "base/bits.h"
#include "base/rand.h"
#include "base/rcu.h"
#include "table/acl.h"
#include "table/moves.h"
#include "table/neighbour.h"

#include "support/buffers.h"
#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define WORKERS 3
#define HOSTS   48
#define PORTS   300
#define PACKETS 288000 // of a run that is no soak
#define FRAMES  8      // from each side in a round
#define SPARE   2048   // buffers that a worker leaves to the others
#define BUFFERS 16383
#define RULES   32
#define ROWS    64
#define SELDOM  16 // turns of the control thread between two of its rarer deeds
#define BLOCKS  1024
#define LEFT    65536 // bytes that threads and messages of the C library may have kept

// ---- what the threads share

static struct {
	struct world *world;
	_Atomic uint32_t now;
	_Atomic bool over; // no more packets
	_Atomic unsigned running;
	unsigned minutes;
} box;

// Of the control thread alone.
static struct {
	struct rand random;
	uint32_t rule[RULES];
	uint32_t neighbour;         // one that nobody uses, or NEIGHBOUR_NONE
	struct snapshot *published; // by this test; NULL: the world's own
	struct snapshot *retired;
	unsigned publications;
	bool asked;
	uint64_t rows;
	uint64_t late; // packets that a neighbour kept waiting
	struct mapping_row row[ROWS];
	struct subkey holder[16][BLOCKS]; // of each port block; family 0: nobody
	unsigned grants, returns;
} control;

static rte_be32_t host(struct rand *random)
{
	return rte_cpu_to_be_32(RTE_IPV4(100u, 64, 1, 0) + rand_below(random, HOSTS));
}

static rte_be32_t outside(struct rand *random)
{
	return rte_cpu_to_be_32(RTE_IPV4(203u, 0, 113, 0) + rand_below(random, 16));
}

static rte_be32_t remote(struct rand *random)
{
	return rte_cpu_to_be_32(RTE_IPV4(198u, 51, 100, 0) + 1 + rand_below(random, 4));
}

// ---- a worker

static uint16_t make(uint8_t *ip, struct rand *random, unsigned iface)
{
	uint16_t length = (uint16_t)(40 + rand_below(random, 60));
	struct tuple t = {
		.l4 = rand_below(random, L4_SLOTS),
		.src = iface == WORLD_INSIDE ? host(random) : remote(random),
		.src_port = rte_cpu_to_be_16((uint16_t)(1024 + rand_below(random, PORTS))),
		.dst = iface == WORLD_INSIDE ? remote(random) : outside(random),
		.dst_port = rte_cpu_to_be_16((uint16_t)(1024 + rand_below(random, 64512))),
	};
	uint8_t quoted[PACKET_MAX] = {0};

	if (iface == WORLD_INSIDE && !rand_below(random, 8))
		t.dst = outside(random);
	memset(ip, 0, length);
	if (iface == WORLD_OUTSIDE && !rand_below(random, 8)) {
		const struct tuple sent = {t.l4, t.dst, t.src, t.dst_port, t.src_port};

		packet_make(quoted, length, &sent, 8, 64);
		return packet_make_error(ip, t.src, t.dst, 3, 1, quoted, length);
	}
	packet_make(
		ip, length, &t, (uint8_t)(t.l4 == L4_TCP ? 1u << rand_below(random, 5) : 8), 64);
	if (!rand_below(random, 8)) {
		// the first of two fragments, or the second
		ip[5] = (uint8_t)rand_below(random, 16);
		ip[6] = rand_below(random, 2) ? 0x20 : 0;
		ip[7] = ip[6] ? 0 : 5;
		packet_mend(ip, length);
	}
	return length;
}

static void receive(struct worker *w, struct rand *random, unsigned iface)
{
	struct burst *b = &w->burst;
	uint8_t ip[PACKET_MAX];

	b->n = 0;
	while (b->n < FRAMES) {
		uint16_t length = make(ip, random, iface);

		b->mbuf[b->n++] = world_frame(box.world, iface, ip, length);
	}
	pipeline_run(w, b, iface);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct rand random;

	rand_seed_fixed(&random, w->number);
	rcu_online(box.world->rcu, w->number);
	while (!atomic_load(&box.over)) {
		if (rte_mempool_avail_count(box.world->mbufs) > SPARE) {
			receive(w, &random, WORLD_INSIDE);
			receive(w, &random, WORLD_OUTSIDE);
		}
		worker_turn(w, atomic_load(&box.now));
		rcu_quiescent(box.world->rcu, w->number);
	}
	// others may still have something to hand over
	atomic_fetch_sub(&box.running, 1);
	while (atomic_load(&box.running)) {
		worker_turn(w, atomic_load(&box.now));
		rcu_quiescent(box.world->rcu, w->number);
		sched_yield();
	}
	rcu_offline(box.world->rcu, w->number);
	return NULL;
}

// ---- the control thread

static void take_block(const struct msg *msg)
{
	const struct msg_block *b = &msg->block;
	const struct pool *pool = box.world->pool;
	uint32_t address = pool_number(pool, rte_be_to_cpu_32(b->outside));
	struct subkey *holder = &control.holder[address][b->first_port >> pool->block_bits];

	if (b->granted) {
		assert_int_equal(holder->family, 0);
		*holder = b->subscriber;
		control.grants++;
	} else {
		assert_memory_equal(holder, &b->subscriber, sizeof(*holder));
		*holder = (struct subkey){0};
		control.returns++;
	}
}

static void move_blocks(const struct msg *msg)
{
	struct msg answer;
	int worker = moves_answer(box.world->snapshot, msg, &answer);

	while (worker >= 0 &&
		channel_tell(&box.world->dataplane.worker[worker]->channel, &answer) < 0)
		sched_yield();
}

static void take(const struct msg *msg)
{
	switch ((enum msg_type)msg->type) {
	case MSG_BLOCK:
		take_block(msg);
		break;
	case MSG_BLOCKS_WANTED:
	case MSG_BLOCKS_GIVEN:
		move_blocks(msg);
		break;
	case MSG_NEIGHBOUR_WANTED:
		rte_pktmbuf_free(msg->wanted.mbuf);
		control.late++;
		break;
	case MSG_ANSWER:
		control.asked = false;
		for (uint32_t i = 0; i < msg->answer.count; i++)
			assert_int_not_equal(control.row[i].outside_port, 0);
		control.rows += msg->answer.count;
		break;
	default:
		fail();
	}
}

static void hear(void)
{
	struct msg msgs[64];
	unsigned n;

	for (unsigned i = 0; i < WORKERS; i++) {
		struct channel *channel = &box.world->dataplane.worker[i]->channel;

		while ((n = channel_hear(channel, msgs, ARRAY_LEN(msgs)))) {
			for (unsigned k = 0; k < n; k++)
				take(&msgs[k]);
		}
	}
}

static void tell(unsigned worker, const struct msg *msg)
{
	while (channel_tell(&box.world->dataplane.worker[worker]->channel, msg) < 0)
		hear();
}

static void on_mark(void *, const struct subkey *subscriber, bool marked)
{
	struct msg msg = {.type = MSG_MARK, .mark = {.subscriber = *subscriber, .marked = marked}};
	rte_be32_t inside;

	memcpy(&inside, subscriber->addr, sizeof(inside));
	tell(pool_worker_of_inside(inside, WORKERS), &msg);
}

static void change_rules(void)
{
	static const enum acl_action actions[] = {ACL_BLOCK, ACL_COUNT, ACL_RATE_LIMIT};
	uint32_t *slot = &control.rule[rand_below(&control.random, RULES)];
	struct acl_rule rule = {
		.any_protocol = true,
		.upper_port = UINT16_MAX,
		.upper_type = UINT8_MAX,
		.action = actions[rand_below(&control.random, ARRAY_LEN(actions))],
		.rate = 8000,
	};
	struct ipaddr addr = ipaddr_v4(host(&control.random));
	struct ipprefix one = ipprefix_make(&addr, 32);

	if (*slot != ACL_NO_SLOT) {
		assert_true(acl_hits(box.world->acl, *slot).bytes <= UINT64_MAX / 2);
		acl_remove(box.world->acl, *slot);
		*slot = ACL_NO_SLOT;
		return;
	}
	rule.subscriber = subkey_of(&one, 0);
	assert_int_equal(ipprefix_parse("198.51.100.0/24", &rule.target, NULL), 0);
	assert_int_equal(acl_add(box.world->acl, &rule, slot), 0);
}

// The gateway is away for a while, or another neighbour comes and goes.
static void change_neighbours(void)
{
	static const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 0x12}};
	struct neighbour_table *t = box.world->neighbours;
	struct ipaddr addr = ipaddr_v4(remote(&control.random));

	neighbour_set(t, box.world->snapshot->nexthop[2].neighbour,
		rand_below(&control.random, 8) ? &mac : NULL);
	if (control.neighbour == NEIGHBOUR_NONE) {
		control.neighbour = neighbour_add(t, WORLD_OUTSIDE, &addr);
	} else {
		neighbour_remove(t, control.neighbour);
		control.neighbour = NEIGHBOUR_NONE;
	}
}

static void snapshot_drop(struct snapshot *s)
{
	if (!s)
		return;
	free(s->nexthop);
	free(s);
}

// Another snapshot with the same policies, and next hops of its own; the one before goes when no worker uses it.
static void publish(void)
{
	struct dataplane *d = &box.world->dataplane;
	struct snapshot *next;

	for (unsigned i = 0; i < WORKERS; i++) {
		if (atomic_load_explicit(&d->worker[i]->generation, memory_order_acquire) !=
			control.publications + 1)
			return;
	}
	snapshot_drop(control.retired);
	control.retired = control.published;
	next = malloc(sizeof(*next));
	assert_non_null(next);
	*next = *box.world->snapshot;
	next->nexthop = malloc(box.world->hops * sizeof(*next->nexthop));
	assert_non_null(next->nexthop);
	memcpy(next->nexthop, box.world->snapshot->nexthop,
		box.world->hops * sizeof(*next->nexthop));
	next->generation = ++control.publications + 1;
	atomic_store_explicit(&d->snapshot, next, memory_order_release);
	control.published = next;
}

static void ask(void)
{
	struct msg msg = {.type = MSG_WALK,
		.walk = {.table = WALK_MAPPINGS,
			.cursor = rand_below(&control.random, 2048),
			.room = ROWS,
			.rows = control.row}};

	if (control.asked)
		return;
	control.asked = true;
	tell(rand_below(&control.random, WORKERS), &msg);
}

// Free blocks of one worker for another, who need not want them.
static void order_move(void)
{
	unsigned from = rand_below(&control.random, WORKERS);
	struct msg msg = {.type = MSG_BLOCKS_GIVE,
		.blocks = {.pool = box.world->pool->id,
			.address = UINT32_MAX,
			.count = 64,
			.to = (uint16_t)((from + 1) % WORKERS)}};

	tell(from, &msg);
}

// What `show workers` and the like read.
static void read_counters(void)
{
	static uint64_t before[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++) {
		const struct worker *w = box.world->dataplane.worker[i];
		const struct nat_policy *policy = box.world->snapshot->policy[0];
		uint64_t received = stat_read(&w->stats.received);

		assert_true(received >= before[i]);
		before[i] = received;
		assert_true(count_read(&w->nat.bib.used) <= 4096);
		assert_true(count_read(&w->nat.sessions.used) <= 4096);
		assert_true(count_read(&w->nat.subscribers.used) <= HOSTS);
		assert_true(count_read(&w->nat.subscribers.count[0]) <= HOSTS);
		assert_true(count_read(&policy->share[i]->used) <= 256);
		assert_true(count_read(&w->tunnelled.used) == 0);
		assert_true(stat_read(&w->datagrams.waiting) <= 64);
	}
}

static uint64_t received(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		sum += stat_read(&box.world->dataplane.worker[i]->stats.received);
	return sum;
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

// What the process has from malloc, and what of DPDK's memory is in use.
static size_t memory(void)
{
	struct rte_malloc_socket_stats stats;

	assert_int_equal(rte_malloc_get_socket_stats(0, &stats), 0);
	return mallinfo2().uordblks + stats.heap_allocsz_bytes;
}

// A line of a soak, about the time since the last one: workers' own time, in which they make the packets too.
static void tell_progress(uint64_t second, const clockid_t *clock)
{
	static uint64_t packets_before, ns_before;
	uint64_t packets = received(), ns = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		ns += clock_ns(clock[i]);
	print_message("%5lu s: %lu packets, %.1f ns each, %.1f MiB, %u blocks granted\n", second,
		packets - packets_before,
		(double)(ns - ns_before) / (double)(packets - packets_before),
		(double)memory() / (1 << 20), control.grants);
	packets_before = packets;
	ns_before = ns;
}

static bool is_over(uint64_t begin, const clockid_t *clock)
{
	static uint64_t told;
	uint64_t second;

	if (!box.minutes)
		return received() >= PACKETS;
	second = (clock_ns(CLOCK_MONOTONIC) - begin) / 1000000000;
	if (second >= told + 10) {
		tell_progress(second, clock);
		told = second;
	}
	return second >= box.minutes * 60;
}

static void control_all(const clockid_t *clock)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);

	for (unsigned turn = 0; atomic_load(&box.running); turn++) {
		hear();
		change_rules();
		ask();
		order_move();
		read_counters();
		rcu_poll(box.world->rcu);
		publish();
		if (turn % SELDOM == 0) {
			change_neighbours();
			atomic_fetch_add(&box.now, 1);
		}
		if (!atomic_load(&box.over) && is_over(begin, clock))
			atomic_store(&box.over, true);
		sched_yield();
	}
}

// ---- all together

// A device that takes what it is given.
static void device(unsigned iface, uint16_t queues)
{
	struct rte_eth_conf conf = {0};
	char name[32];
	uint16_t id;

	snprintf(name, sizeof(name), "net_null%u", iface);
	assert_int_equal(rte_dev_probe(name), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name(name, &id), 0);
	assert_int_equal(rte_eth_dev_configure(id, queues, queues, &conf), 0);
	for (uint16_t q = 0; q < queues; q++) {
		assert_int_equal(
			rte_eth_rx_queue_setup(id, q, 0, SOCKET_ID_ANY, NULL, box.world->mbufs), 0);
		assert_int_equal(rte_eth_tx_queue_setup(id, q, 0, SOCKET_ID_ANY, NULL), 0);
	}
	assert_int_equal(rte_eth_dev_start(id), 0);
	box.world->dataplane.port[iface] = (struct port){.id = id, .queues = queues, .owner = 1};
}

// Lets pass what time it takes until nothing is left, the workers being ended.
static void settle(void)
{
	uint32_t now = atomic_load(&box.now);

	for (unsigned i = 0; i < RULES; i++) {
		if (control.rule[i] != ACL_NO_SLOT)
			acl_remove(box.world->acl, control.rule[i]);
	}
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < WORKERS; i++) {
			while (worker_turn(box.world->dataplane.worker[i], now))
				hear();
		}
		now += 600;
	}
	hear();
	rcu_barrier(box.world->rcu);
}

static uint64_t ended(void)
{
	uint64_t sum = control.late;

	for (unsigned v = 0; v < V_COUNT; v++)
		sum += world_verdicts(box.world, v);
	return sum;
}

static void all_at_once(void **)
{
	struct world_setup setup = world_setup();
	struct dataplane *d;
	pthread_t thread[WORKERS];
	clockid_t clock[WORKERS];
	size_t before;
	uint64_t steered = 0, taken = 0, blocks = 0, moved = 0;

	buffers_by_mutex();
	setup.workers = WORKERS;
	setup.threads = true;
	setup.mbufs = BUFFERS;
	setup.block_bits = 6;
	// mappings end, and their blocks go to others, all the time
	setup.timers = (struct timers){2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
	setup.size.blocks = 256;
	setup.memory_mb = 256;
	box.now = 1000;
	box.running = WORKERS;
	box.world = world_new(&setup, box.now);
	d = &box.world->dataplane;
	device(WORLD_INSIDE, WORKERS);
	device(WORLD_OUTSIDE, 1); // of worker 1, which sends for all
	rand_seed_fixed(&control.random, WORKERS);
	control.neighbour = NEIGHBOUR_NONE;
	for (unsigned i = 0; i < RULES; i++)
		control.rule[i] = ACL_NO_SLOT;
	acl_watch(box.world->acl, on_mark, NULL);
	before = memory();
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(pthread_create(&thread[i], NULL, work, d->worker[i]), 0);
		assert_int_equal(pthread_getcpuclockid(thread[i], &clock[i]), 0);
	}
	control_all(clock);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	settle();
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(d->worker[i]->nat.bib.used, 0);
		assert_true(d->worker[i]->stats.steered > 0);
		steered += d->worker[i]->stats.steered;
		taken += d->worker[i]->stats.taken;
		blocks += box.world->pool->free[i];
		moved += d->worker[i]->stats.blocks_taken;
		assert_true(d->worker[i]->stats.blocks_given > 0);
	}
	assert_int_equal(steered, taken);
	// none has been lost on its way
	assert_int_equal(blocks, 16 * 1008);
	assert_true(world_received(box.world) >= PACKETS);
	assert_int_equal(world_received(box.world), ended());
	assert_int_equal(rte_mempool_in_use_count(box.world->mbufs), 0);
	assert_int_equal(control.grants, control.returns);
	assert_true(control.grants > 0 && control.rows > 0 && control.publications > 0);
	assert_true(world_verdicts(box.world, V_NAT44_OUT) > 0 &&
		world_verdicts(box.world, V_NAT44_IN) > 0 &&
		world_verdicts(box.world, V_NAT44_HAIRPIN) > 0);
	print_message(
		"%u snapshots, %u blocks granted, %lu moved, %lu rows, %lu packets handed over\n",
		control.publications, control.grants, moved, control.rows, steered);
	// the world's own snapshot is the one that it frees
	atomic_store(&d->snapshot, box.world->snapshot);
	for (unsigned i = 0; i < WORKERS; i++)
		worker_turn(d->worker[i], box.now + 1000000);
	snapshot_drop(control.retired);
	snapshot_drop(control.published);
	assert_true(memory() <= before + LEFT);
	world_free(box.world);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once),
	};

	if (argc > 1)
		box.minutes = (unsigned)strtoul(argv[1], NULL, 10);
	world_eal(argv[0], false, 256);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
