// SPDX-License-Identifier: BSD-3-Clause

// The NAT against a simple model of it, over long random schedules of packets and clock steps, with one worker
// and with three.
//
// The model knows what the RFCs say of mappings, filtering and timers, and nothing of blocks, slots, wheels
// or rings: it is an array of mappings, each with an array of sessions, searched from one end to the other.
// It foretells the verdict of each packet and where it arrives. Which outside port a mapping gets it does not
// foretell; it sees to it that nobody else has the port (RFC 4787 REQ-3), that it has rested (RFC 6888
// REQ-8), that a subscriber has one address (REQ-2) and no share in another's block. Meanwhile free blocks move between
// workers.

#include "base/bits.h"
#include "base/rand.h"

#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#include <rte_ip.h>

#define HOSTS      24
#define PORTS      8
#define REMOTES    6
#define SESSIONS   96
#define STEPS      60000
#define MOVE_STEPS 50
#define SEED       20261125
#define SECOND     8 // ticks

enum { UDP_TIME = 300 * SECOND, ICMP_TIME = 60 * SECOND, HOLD_DOWN = 120 * SECOND };

struct remote_session {
	rte_be32_t address;
	rte_be16_t port;
	uint8_t state; // of TCP
	uint32_t seen;
};

// One of an inside endpoint, in its place; it lives while `live`.
struct model_mapping {
	bool live;
	bool rests;         // when it ends: some connection was not closed in good order
	struct tuple tuple; // src: inside, dst: outside, once it has lived
	uint32_t seen;
	uint32_t ended;
	bool held;
	unsigned sessions;
	struct remote_session session[SESSIONS];
};

struct model {
	enum filtering filtering;
	uint32_t now;
	struct world *world;
	struct rand random;
	uint64_t before[V_COUNT];
	struct model_mapping mapping[L4_SLOTS][HOSTS][PORTS];
};

static struct model model;

static rte_be32_t host_address(unsigned host)
{
	return rte_cpu_to_be_32(RTE_IPV4(100u, 64, 1, 0) + host * 7);
}

static rte_be16_t host_port(unsigned port)
{
	return rte_cpu_to_be_16((uint16_t)(5000 + port));
}

// ---- what the RFCs say

static bool has_sessions(enum l4 l4)
{
	return l4 != L4_UDP || model.filtering != FILTER_NONE;
}

static uint32_t session_due(enum l4 l4, const struct remote_session *s)
{
	static const uint32_t time[] = {[TCP_TIMER_NONE] = 0,
		[TCP_TIMER_IDLE] = 7440 * SECOND,
		[TCP_TIMER_OPEN] = 240 * SECOND,
		[TCP_TIMER_CLOSE] = 240 * SECOND};

	if (l4 == L4_TCP)
		return s->seen + time[tcp_timer(s->state)];
	return s->seen + (l4 == L4_UDP ? UDP_TIME : ICMP_TIME);
}

static bool same_remote(
	enum l4 l4, const struct remote_session *s, rte_be32_t address, rte_be16_t port)
{
	if (s->address != address || l4 == L4_ICMP)
		return s->address == address;
	return s->port == port || (l4 == L4_UDP && model.filtering == FILTER_BY_ADDRESS);
}

static struct remote_session *find_session(
	struct model_mapping *m, rte_be32_t address, rte_be16_t port)
{
	for (unsigned i = 0; i < m->sessions; i++) {
		if (same_remote(m->tuple.l4, &m->session[i], address, port))
			return &m->session[i];
	}
	return NULL;
}

static struct remote_session *add_session(
	struct model_mapping *m, rte_be32_t address, rte_be16_t port)
{
	struct remote_session *s = &m->session[m->sessions++];

	assert_true(m->sessions <= SESSIONS);
	*s = (struct remote_session){.address = address, .port = port, .seen = model.now};
	return s;
}

static bool may_enter(const struct model_mapping *m, rte_be32_t address)
{
	if (model.filtering == FILTER_NONE)
		return true;
	if (m->tuple.l4 != L4_TCP || model.filtering != FILTER_BY_ADDRESS)
		return false;
	for (unsigned i = 0; i < m->sessions; i++) {
		if (m->session[i].address == address)
			return true;
	}
	return false;
}

static void run_tcp(struct remote_session *s, bool outward, uint8_t flags)
{
	enum tcp_event event = tcp_event(flags);
	enum tcp_state to = tcp_next(s->state, outward, event);

	if (tcp_refreshes(s->state, to, event))
		s->seen = model.now;
	s->state = (uint8_t)to;
}

// A packet of a mapping that lives: whether it passes, and what that changes.
static enum verdict pass(
	struct model_mapping *m, rte_be32_t address, rte_be16_t port, uint8_t flags, bool outward)
{
	enum verdict passes = outward ? V_NAT44_OUT : V_NAT44_IN;
	enum l4 l4 = m->tuple.l4;
	struct remote_session *s;

	if (!has_sessions(l4)) {
		if (outward)
			m->seen = model.now;
		return passes;
	}
	s = find_session(m, address, port);
	if (!s) {
		if (!outward && !may_enter(m, address))
			return V_FILTERED;
		if (!outward && l4 == L4_ICMP)
			return passes;
		if (l4 == L4_TCP && !tcp_is_opener(flags))
			return V_NOT_SYN;
		s = add_session(m, address, port);
	}
	if (l4 == L4_TCP)
		run_tcp(s, outward, flags);
	else if (outward)
		s->seen = model.now;
	return passes;
}

static void end_mapping(struct model_mapping *m)
{
	m->live = false;
	m->sessions = 0;
	m->ended = model.now;
	m->held = m->rests;
}

// Sessions that nobody inside has a part in keep no mapping.
static bool is_kept(const struct model_mapping *m)
{
	for (unsigned i = 0; i < m->sessions; i++) {
		if (m->session[i].state != TCP_IN_INIT || m->tuple.l4 != L4_TCP)
			return true;
	}
	return false;
}

static void expire(struct model_mapping *m)
{
	enum l4 l4 = m->tuple.l4;
	bool any = false;

	if (!has_sessions(l4)) {
		if (m->seen + UDP_TIME <= model.now)
			end_mapping(m);
		return;
	}
	for (unsigned i = 0; i < m->sessions;) {
		if (session_due(l4, &m->session[i]) > model.now) {
			i++;
			continue;
		}
		any = true;
		if (l4 != L4_TCP || m->session[i].state != TCP_BOTH_FIN)
			m->rests = true;
		m->session[i] = m->session[--m->sessions];
	}
	if (any && !is_kept(m)) {
		m->rests |= m->sessions > 0;
		end_mapping(m);
	}
}

// ---- what must be true of the outside endpoint a mapping got

static void check_outside(const struct model_mapping *m)
{
	uint16_t port = rte_be_to_cpu_16(m->tuple.dst_port);

	assert_true(port >= 1024);
	for (unsigned i = 0; i < L4_SLOTS * HOSTS * PORTS; i++) {
		const struct model_mapping *o = &model.mapping[0][0][0] + i;
		bool same_address = o->tuple.dst == m->tuple.dst;
		bool same_host = o->tuple.src == m->tuple.src;

		if (o == m || (!o->live && !o->held))
			continue;
		if (o->live && same_host)
			assert_true(same_address);
		if (!same_address)
			continue;
		if (o->live && !same_host)
			assert_int_not_equal(rte_be_to_cpu_16(o->tuple.dst_port) / 64, port / 64);
		if (o->tuple.l4 == m->tuple.l4 && o->tuple.dst_port == m->tuple.dst_port) {
			assert_false(o->live);
			assert_true(o->ended + HOLD_DOWN <= model.now);
		}
	}
}

// ---- the box

static void note_verdicts(void)
{
	for (unsigned v = 0; v < V_COUNT; v++)
		model.before[v] = world_verdicts(model.world, v);
}

// What left: into ip, from the only worker that sent. Returns its length, 0 for nothing.
static uint16_t take_sent(unsigned iface, uint8_t *ip)
{
	uint16_t length = 0;

	for (unsigned w = 0; w < model.world->dataplane.workers; w++) {
		struct rte_mbuf *m = world_sent(model.world, w, iface);

		if (!m)
			continue;
		assert_int_equal(length, 0);
		length = (uint16_t)(rte_pktmbuf_pkt_len(m) - 14);
		memcpy(ip, rte_pktmbuf_mtod_offset(m, uint8_t *, 14), length);
		rte_pktmbuf_free(m);
	}
	return length;
}

// Sends a packet by a random worker and compares: the verdict, and who receives it from whom. A packet that
// was sent is counted with its frame, which the world takes from the queue.
static void expect(unsigned iface, const struct tuple *t, uint8_t flags, enum verdict verdict,
	const struct tuple *arrives, unsigned arrives_at)
{
	unsigned worker = rand_below(&model.random, model.world->dataplane.workers);
	uint16_t length = (uint16_t)(packet_least(t->l4) + rand_below(&model.random, 60));
	uint8_t ip[PACKET_MAX] = {0};
	struct tuple got;
	uint64_t drops;

	packet_make(ip, length, t, flags, 64);
	world_carry(model.world, worker, iface, world_frame(model.world, iface, ip, length));
	drops = world_verdicts(model.world, verdict) - model.before[verdict];
	note_verdicts();
	if (!arrives) {
		if (drops != 1)
			fail_msg("expected %s", verdict_info[verdict].name);
		assert_int_equal(take_sent(WORLD_INSIDE, ip) + take_sent(WORLD_OUTSIDE, ip), 0);
		return;
	}
	assert_int_equal(take_sent(arrives_at, ip), length);
	assert_int_equal(take_sent(!arrives_at, ip + length), 0);
	assert_int_equal(packet_sum(ip), 0xffff);
	assert_int_equal(packet_sum_l4(ip, length), 0xffff);
	got = packet_tuple(ip);
	assert_int_equal(got.src, arrives->src);
	assert_int_equal(got.dst, arrives->dst);
	assert_int_equal(got.src_port, arrives->src_port);
	assert_int_equal(got.dst_port, arrives->dst_port);
}

static struct model_mapping *pick(enum l4 l4)
{
	return &model.mapping[l4][rand_below(&model.random, HOSTS)]
			     [rand_below(&model.random, PORTS)];
}

static rte_be32_t random_remote(void)
{
	return rte_cpu_to_be_32(RTE_IPV4(198u, 51, 100, 1) + rand_below(&model.random, REMOTES));
}

static rte_be16_t random_remote_port(void)
{
	return rte_cpu_to_be_16((uint16_t)(80 + rand_below(&model.random, 3)));
}

static uint8_t random_flags(enum l4 l4, bool outward)
{
	static const uint8_t flags[] = {0x02, 0x02, 0x02, 0x12, 0x10, 0x18, 0x11, 0x11, 0x04, 0x14};

	if (l4 == L4_ICMP)
		return outward ? 8 : 0;
	return l4 == L4_TCP ? flags[rand_below(&model.random, ARRAY_LEN(flags))] : 0;
}

// Asks the box by which outside endpoint a first packet has left; the model cannot know.
static void learn_outside(struct model_mapping *m, const struct tuple *t, uint8_t flags)
{
	unsigned worker = rand_below(&model.random, model.world->dataplane.workers);
	uint16_t length = (uint16_t)packet_least(t->l4);
	uint8_t ip[PACKET_MAX] = {0};
	struct tuple got;

	packet_make(ip, length, t, flags, 64);
	world_carry(model.world, worker, WORLD_INSIDE,
		world_frame(model.world, WORLD_INSIDE, ip, length));
	note_verdicts();
	assert_int_equal(take_sent(WORLD_OUTSIDE, ip), length);
	got = packet_tuple(ip);
	assert_int_equal(got.dst, t->dst);
	m->live = true;
	m->held = false;
	m->rests = t->l4 != L4_TCP;
	m->tuple.dst = got.src;
	m->tuple.dst_port = got.src_port;
	check_outside(m);
	assert_int_equal(pass(m, t->dst, t->dst_port, flags, true), V_NAT44_OUT);
}

static void go_out(enum l4 l4)
{
	struct model_mapping *m = pick(l4);
	uint8_t flags = random_flags(l4, true);
	struct tuple t = {
		.l4 = l4,
		.src = m->tuple.src,
		.src_port = m->tuple.src_port,
		.dst = random_remote(),
		.dst_port = l4 == L4_ICMP ? m->tuple.src_port : random_remote_port(),
	};
	struct tuple arrives = t;
	enum verdict verdict;

	if (!m->live && l4 == L4_TCP && !tcp_is_opener(flags)) {
		expect(WORLD_INSIDE, &t, flags, V_NOT_SYN, NULL, 0);
		return;
	}
	if (!m->live) {
		learn_outside(m, &t, flags);
		return;
	}
	verdict = pass(m, t.dst, t.dst_port, flags, true);
	arrives.src = m->tuple.dst;
	arrives.src_port = m->tuple.dst_port;
	if (l4 == L4_ICMP)
		arrives.dst_port = arrives.src_port;
	expect(WORLD_INSIDE, &t, flags, verdict, verdict == V_NAT44_OUT ? &arrives : NULL,
		WORLD_OUTSIDE);
}

// Whoever has an outside endpoint now.
static struct model_mapping *holder(enum l4 l4, rte_be32_t address, rte_be16_t port)
{
	for (unsigned i = 0; i < HOSTS * PORTS; i++) {
		struct model_mapping *m = &model.mapping[l4][0][0] + i;

		if (m->live && m->tuple.dst == address && m->tuple.dst_port == port)
			return m;
	}
	return NULL;
}

// To an outside endpoint that somebody has or had; now and then to one that nobody ever had.
static void go_in(enum l4 l4)
{
	const struct model_mapping *target = pick(l4);
	uint8_t flags = random_flags(l4, false);
	struct tuple t = {
		.l4 = l4,
		.src = random_remote(),
		.src_port = random_remote_port(),
		.dst = target->tuple.dst,
		.dst_port = target->tuple.dst_port,
	};
	struct model_mapping *m;
	struct tuple arrives;
	enum verdict verdict;

	if (!t.dst || !rand_below(&model.random, 50)) {
		t.dst = rte_cpu_to_be_32(model.world->snapshot->nexthop[5].first);
		t.dst_port = RTE_BE16(1000);
	}
	if (l4 == L4_ICMP)
		t.src_port = t.dst_port;
	m = holder(l4, t.dst, t.dst_port);
	if (!m) {
		expect(WORLD_OUTSIDE, &t, flags, V_NO_MAPPING, NULL, 0);
		return;
	}
	verdict = pass(m, t.src, t.src_port, flags, false);
	arrives = t;
	arrives.dst = m->tuple.src;
	arrives.dst_port = m->tuple.src_port;
	if (l4 == L4_ICMP)
		arrives.src_port = arrives.dst_port;
	expect(WORLD_OUTSIDE, &t, flags, verdict, verdict == V_NAT44_IN ? &arrives : NULL,
		WORLD_INSIDE);
}

// One subscriber's endpoint to another's by its outside address; both have mappings.
static void go_hairpin(void)
{
	struct model_mapping *a = pick(L4_UDP), *b = pick(L4_UDP);
	struct tuple t = {.l4 = L4_UDP,
		.src = a->tuple.src,
		.src_port = a->tuple.src_port,
		.dst = b->tuple.dst,
		.dst_port = b->tuple.dst_port};
	struct tuple arrives = {.l4 = L4_UDP,
		.src = a->tuple.dst,
		.src_port = a->tuple.dst_port,
		.dst = b->tuple.src,
		.dst_port = b->tuple.src_port};
	enum verdict verdict;

	if (!a->live || !b->live)
		return;
	pass(a, t.dst, t.dst_port, 0, true);
	verdict = pass(b, arrives.src, arrives.src_port, 0, false);
	expect(WORLD_INSIDE, &t, 0, verdict, verdict == V_NAT44_IN ? &arrives : NULL, WORLD_INSIDE);
}

static void let_pass(void)
{
	static const uint32_t most[] = {SECOND, 10 * SECOND, 30 * SECOND, 130 * SECOND};
	unsigned kind = rand_below(&model.random, 16);
	uint32_t ticks = 1 + rand_below(&model.random, most[kind % ARRAY_LEN(most)]);

	if (kind == 15)
		ticks = 400 * SECOND;
	model.now += ticks;
	world_pass(model.world, model.now);
	for (unsigned i = 0; i < L4_SLOTS * HOSTS * PORTS; i++) {
		struct model_mapping *m = &model.mapping[0][0][0] + i;

		if (m->live)
			expire(m);
	}
}

// Free blocks move from one worker to another, whoever wants them.
static void move_blocks(void)
{
	unsigned workers = model.world->dataplane.workers;
	unsigned from = rand_below(&model.random, workers);
	struct msg msg = {.type = MSG_BLOCKS_GIVE,
		.blocks = {.pool = model.world->pool->id,
			.address = UINT32_MAX,
			.count = 1 + rand_below(&model.random, 64),
			.to = (uint16_t)((from + 1) % workers)}};

	world_tell(model.world, from, &msg);
	world_hear(model.world);
}

static uint32_t live(void)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < L4_SLOTS * HOSTS * PORTS; i++)
		n += (&model.mapping[0][0][0] + i)->live;
	return n;
}

static void check_totals(void)
{
	uint64_t verdicts = 0, sent = 0, used = 0;

	for (unsigned i = 0; i < model.world->dataplane.workers; i++)
		used += model.world->dataplane.worker[i]->nat.bib.used;
	assert_int_equal(used, live());
	// what was sent has not been counted: its frames were taken from the queues
	for (unsigned v = 0; v < V_COUNT; v++)
		verdicts += world_verdicts(model.world, v);
	sent = world_received(model.world) - verdicts;
	assert_true(sent > STEPS / 4 && verdicts > STEPS / 100);
	assert_int_equal(rte_mempool_in_use_count(model.world->mbufs), 0);
}

// Each block is some worker's, and most have moved.
static void check_moves(void)
{
	const struct dataplane *d = &model.world->dataplane;
	uint64_t given = 0, taken = 0, blocks = 0;

	// mappings end, then empty blocks are given back, then they rest
	for (unsigned i = 0; i < 3; i++)
		world_pass(model.world, model.now += 10000 * SECOND);
	for (unsigned i = 0; i < d->workers; i++) {
		given += d->worker[i]->stats.blocks_given;
		taken += d->worker[i]->stats.blocks_taken;
		blocks += model.world->pool->free[i];
	}
	assert_int_equal(given, taken);
	assert_int_equal(blocks, UINT64_C(16) * 1008);
	assert_true(d->workers == 1 || given > blocks);
}

static void run(unsigned workers, enum filtering filtering)
{
	struct world_setup setup = world_setup();

	setup.workers = workers;
	setup.behaviour.filtering[L4_UDP] = (uint8_t)filtering;
	setup.behaviour.filtering[L4_TCP] = (uint8_t)filtering;
	setup.behaviour.filtering[L4_ICMP] = (uint8_t)filtering;
	memset(&model, 0, sizeof(model));
	model.now = 1000;
	model.filtering = filtering;
	rand_seed_fixed(&model.random, SEED + workers * 10 + filtering);
	model.world = world_new(&setup, model.now);
	model.world->snapshot->policy[0]->answer_syns = false;
	for (unsigned i = 0; i < workers; i++)
		rand_seed_fixed(&model.world->dataplane.worker[i]->nat.random, SEED + i);
	for (enum l4 l4 = 0; l4 < L4_SLOTS; l4++) {
		for (unsigned h = 0; h < HOSTS; h++) {
			for (unsigned p = 0; p < PORTS; p++)
				model.mapping[l4][h][p].tuple = (struct tuple){
					.l4 = l4, .src = host_address(h), .src_port = host_port(p)};
		}
	}
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned what = rand_below(&model.random, 100);
		enum l4 l4 = rand_below(&model.random, L4_SLOTS);

		if (what < 3)
			let_pass();
		else if (what < 10)
			go_hairpin();
		else if (what < 60)
			go_out(l4);
		else
			go_in(l4);
		if (workers > 1 && step % MOVE_STEPS == 0)
			move_blocks();
	}
	check_totals();
	check_moves();
	world_free(model.world);
}

static void one_worker_unfiltered(void **)
{
	run(1, FILTER_NONE);
}

static void one_worker_by_address(void **)
{
	run(1, FILTER_BY_ADDRESS);
}

static void one_worker_by_endpoint(void **)
{
	run(1, FILTER_BY_ENDPOINT);
}

static void three_workers_unfiltered(void **)
{
	run(3, FILTER_NONE);
}

static void three_workers_by_address(void **)
{
	run(3, FILTER_BY_ADDRESS);
}

static void three_workers_by_endpoint(void **)
{
	run(3, FILTER_BY_ENDPOINT);
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_unfiltered),
		cmocka_unit_test(one_worker_by_address),
		cmocka_unit_test(one_worker_by_endpoint),
		cmocka_unit_test(three_workers_unfiltered),
		cmocka_unit_test(three_workers_by_address),
		cmocka_unit_test(three_workers_by_endpoint),
	};

	world_eal(argv[0], false, 256);
	print_message("seed %u\n", SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
