// SPDX-License-Identifier: BSD-3-Clause

// Clocks a packet of the services that IPv6 is part of, and of native IPv6, measured like those of NAT44
// (pipeline.c): both directions, flows in random order, each packet written into its buffer just before it is
// "received" and that subtracted, each checked in full once before anything is measured.
//
// Frames are of 64 bytes where they are IPv4; in a tunnel they are larger by 40, and by 20 as IPv6. The payload of
// frames of IMIX is not written anew, which a device would do without the core.
//
// The packets that open sessions are measured too, once: `nat64-new`, `ds-lite-new`.

#include "support/services.h"

#include "forms.h"
#include "latency.h"

#include <rte_cycles.h>
#include <rte_malloc.h>

#include <stdlib.h>

#define DISTINCT_MIN  4096
#define IMIX_SCALE    64512 // where frames of several sizes are measured too
#define RULES_MOST    10000
#define MAP_PACKETS   262144 // a run, of random subscribers
#define PSID_LENGTH   6
#define MAP_INSIDE    "2a00::/16"
#define MAP_PREFIX    0x2a00u
#define TABLE_NETWORK "198.0.0.0/10"
#define TABLE_FIRST   RTE_IPV4(198u, 0, 0, 0)

enum way { WAY_OUT, WAY_IN };

struct bench {
	const struct work *work;
	struct world *world;
	struct worker *worker;
	unsigned scale;
	unsigned packets;
	bool imix;
	struct flow6 *flow[2]; // by way, in the order in which they are sent
	struct form received[2][FORM_SIZES];
	struct form sent[2][FORM_SIZES];
	struct map_rule *rule;
	struct buffers buffers;
	struct rand random;
	uint64_t opening; // clocks that the first packets took
};

struct work {
	const char *name;
	const char *opening; // of the row of first packets; NULL: there is no state to open
	enum form_kind inside;
	enum form_kind outside;
	const char *far;
	bool is_stateful;
	enum nat_kind kind;
	void (*add)(struct bench *b); // NULL: the world has what it takes
	struct flow6 (*flow)(struct bench *b, unsigned i);
	bool translates; // of a rule: MAP-T
};

static uint32_t remote(struct bench *b)
{
	return 0x01000000 + rand_below(&b->random, 0x5e000000);
}

// Host n of 2001:db8:100::/40, in the 64 bits of which subscribers have 56.
static void put_host(uint8_t host[16], unsigned n)
{
	static const uint8_t prefix[5] = {0x20, 0x01, 0x0d, 0xb8, 0x01};

	memset(host, 0, 16);
	memcpy(host, prefix, sizeof(prefix));
	host[5] = (uint8_t)(n >> 16);
	host[6] = (uint8_t)(n >> 8);
	host[7] = (uint8_t)n;
	host[15] = 1;
}

// As with NAT44: 63 ports of each subscriber.
static struct flow6 flow_of_session(struct bench *b, unsigned i)
{
	struct flow6 f = {.tuple = tuple_of_flow(i % b->scale, remote(b))};

	f.tuple.src = RTE_BE32(RTE_IPV4(192u, 168, 1, 10));
	put_host(f.host, i % b->scale / PORTS_A_SUBSCRIBER << 8);
	return f;
}

static void add_nat64(struct bench *b)
{
	services_add_nat64(b->world, b->world->snapshot->policy[0]);
}

static void add_aftr(struct bench *b)
{
	services_add_aftr(b->world, b->world->snapshot->policy[0]);
}

// 63 subscribers share an address; nobody has the set with the ports below 1024.
static struct binding_entry binding(unsigned n)
{
	struct binding_entry e = {
		.ipv4 = rte_cpu_to_be_32(TABLE_FIRST + n / PORTS_A_SUBSCRIBER),
		.psid = (uint16_t)(1 + n % PORTS_A_SUBSCRIBER),
		.geometry = {.offset = PSID_OFFSET_LW46, .length = PSID_LENGTH},
	};

	put_host(e.b4, n);
	return e;
}

static void add_bindings(struct bench *b)
{
	struct binding_table *table =
		services_add_bindings(b->world, SERVICES_BR, TABLE_NETWORK, b->scale);

	for (unsigned i = 0; i < b->scale; i++) {
		struct binding_entry e = binding(i);

		if (binding_add(table, &e) < 0)
			fail("no memory for bindings", i);
	}
}

static struct flow6 flow_of_binding(struct bench *b, unsigned i)
{
	struct binding_entry e = binding(i % b->scale);
	uint32_t port = (uint32_t)e.psid << 10 | rand_below(&b->random, 1024);
	struct flow6 f = {.tuple = {.src = e.ipv4,
				  .dst = rte_cpu_to_be_32(remote(b)),
				  .src_port = rte_cpu_to_be_16((uint16_t)port),
				  .dst_port = RTE_BE16(443)}};

	memcpy(f.host, e.b4, sizeof(f.host));
	return f;
}

// A rule for each /24, of 16,384 subscribers.
static struct map_rule rule(unsigned n)
{
	return (struct map_rule){
		.prefix6 = {MAP_PREFIX >> 8, MAP_PREFIX & 0xff, (uint8_t)(n >> 8), (uint8_t)n},
		.prefix4 = RTE_IPV4(150u, 0, 0, 0) + (n << 8),
		.len6 = 32,
		.len4 = 24,
		.ea = 8 + PSID_LENGTH,
		.geometry = {.offset = PSID_OFFSET_MAP, .length = PSID_LENGTH},
	};
}

static void add_rules(struct bench *b)
{
	b->rule = malloc(b->scale * sizeof(*b->rule));
	if (!b->rule)
		fail("no memory for rules", b->scale);
	for (unsigned i = 0; i < b->scale; i++)
		b->rule[i] = rule(i);
	services_add_rules(b->world, SERVICES_BR, b->rule, b->scale,
		b->work->translates ? b->scale : 0, MAP_INSIDE);
}

// A packet of any subscriber of any rule.
static struct flow6 flow_of_rule(struct bench *b, unsigned i)
{
	const struct map_rule *r = &b->rule[i % b->scale];
	uint32_t ipv4 = r->prefix4 | rand_below(&b->random, 256);
	uint32_t port = 1024 + rand_below(&b->random, 64512);
	struct flow6 f = {.tuple = {.src = rte_cpu_to_be_32(ipv4),
				  .dst = rte_cpu_to_be_32(remote(b)),
				  .src_port = rte_cpu_to_be_16((uint16_t)port),
				  .dst_port = RTE_BE16(443)}};

	map_address(r, ipv4, psid_of_port(r->geometry, (uint16_t)port), f.host);
	return f;
}

static struct flow6 flow_of_nat44(struct bench *b, unsigned i)
{
	return (struct flow6){.tuple = tuple_of_flow(i % b->scale, remote(b))};
}

static const struct work nat44 = {
	.name = "nat44-eim-pba", .flow = flow_of_nat44, .far = "::", .is_stateful = true};

static const struct work services[] = {
	{"nat64", "nat64-new", FORM_IPV6, FORM_IPV4, "2001:db8:64::", true, NAT_64, add_nat64,
		flow_of_session},
	{"ds-lite", "ds-lite-new", FORM_TUNNEL, FORM_IPV4, SERVICES_AFTR, true, NAT_DSLITE,
		add_aftr, flow_of_session},
	{"lw4o6", NULL, FORM_TUNNEL, FORM_IPV4, SERVICES_BR, false, NAT_44, add_bindings,
		flow_of_binding},
	{"ipv6", NULL, FORM_IPV6, FORM_IPV6, "2001:db8:8000::", false, NAT_44, NULL,
		flow_of_session},
};

static const struct work rules[] = {
	{"map-e", NULL, FORM_TUNNEL, FORM_IPV4, SERVICES_BR, false, NAT_44, add_rules,
		flow_of_rule},
	{"map-t", NULL, FORM_IPV6, FORM_IPV4, "2001:db8:fffd::", false, NAT_44, add_rules,
		flow_of_rule, .translates = true},
};

// Which form packet i has.
static inline unsigned form_of(const struct bench *b, unsigned i)
{
	return b->imix ? form_of_imix(i) : 0;
}

static void receive(struct bench *b, enum way way, unsigned at, unsigned n)
{
	struct burst *burst = &b->worker->burst;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = b->buffers.mbuf[b->buffers.next];

		b->buffers.next = (b->buffers.next + 1) % MBUFS;
		form_receive(&b->received[way][form_of(b, at + i)], &b->flow[way][at + i], m);
		burst->mbuf[i] = m;
	}
	burst->n = n;
}

static unsigned burst_at(const struct bench *b, unsigned at)
{
	return RTE_MIN(b->packets - at, (unsigned)BURST_MAX);
}

// The answer to packet i from inside, which has left as m.
static struct flow6 answer(const struct bench *b, unsigned i, const struct rte_mbuf *m)
{
	const struct form *form = &b->sent[WAY_OUT][form_of(b, i)];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct flow6 f = b->flow[WAY_OUT][i];
	struct tuple *t = &f.tuple;

	*t = (struct tuple){
		.src = t->dst, .dst = t->src, .src_port = t->dst_port, .dst_port = t->src_port};
	if (b->work->is_stateful) {
		memcpy(&t->dst, frame + form->ip_at + 12, sizeof(t->dst));
		memcpy(&t->dst_port, frame + form->l4_at, sizeof(t->dst_port));
	}
	form_sum(&b->received[WAY_IN][form_of(b, i)], &f);
	return f;
}

// The answer that has come to the host of packet i from inside: that with its ends exchanged.
static struct flow6 expected_in(const struct bench *b, unsigned i)
{
	struct flow6 f = b->flow[WAY_OUT][i];

	f.tuple = (struct tuple){.src = f.tuple.dst,
		.dst = f.tuple.src,
		.src_port = f.tuple.dst_port,
		.dst_port = f.tuple.src_port};
	return f;
}

static struct flow6 expected_out(const struct bench *b, unsigned i)
{
	struct flow6 f = b->flow[WAY_OUT][i];

	f.tuple.src = b->flow[WAY_IN][i].tuple.dst;
	f.tuple.src_port = b->flow[WAY_IN][i].tuple.dst_port;
	return f;
}

static void check(const struct bench *b, enum way way, unsigned i, const struct rte_mbuf *m)
{
	struct flow6 expected = way == WAY_OUT ? expected_out(b, i) : expected_in(b, i);
	const char *wrong = form_compare(&b->sent[way][form_of(b, i)], &expected, m);

	if (wrong)
		fail(wrong, i);
}

// Sends the packets of one burst as they would come from a wire, payload and all. Returns how many there are.
static unsigned carry(struct bench *b, enum way way, unsigned at)
{
	struct transmit *sent = &b->worker->transmit[way ^ 1];
	unsigned n = burst_at(b, at);
	uint64_t start;

	receive(b, way, at, n);
	for (unsigned i = 0; i < n; i++)
		form_clear(&b->received[way][form_of(b, at + i)], b->worker->burst.mbuf[i]);
	start = rte_rdtsc();
	pipeline_run(b->worker, &b->worker->burst, way);
	b->opening += rte_rdtsc() - start;
	if (sent->n != n)
		fail("was not forwarded", at);
	sent->n = 0;
	return n;
}

// Sends every packet once, which opens all sessions; then again, and its answer once, and checks what comes out: what
// opens nothing leaves in the order in which it came.
static void open_flows(struct bench *b)
{
	uint64_t opening;

	for (unsigned at = 0; at < b->packets; at += BURST_MAX)
		carry(b, WAY_OUT, at);
	opening = b->opening;
	for (unsigned way = WAY_OUT; way <= WAY_IN; way++) {
		struct rte_mbuf **sent = b->worker->transmit[way ^ 1].mbuf;

		for (unsigned at = 0; at < b->packets; at += BURST_MAX) {
			unsigned n = carry(b, way, at);

			for (unsigned i = 0; i < n; i++) {
				if (way == WAY_OUT)
					b->flow[WAY_IN][at + i] = answer(b, at + i, sent[i]);
				check(b, way, at + i, sent[i]);
			}
		}
	}
	b->opening = opening;
}

// Each session has an outside port of its own.
static void check_ports(const struct bench *b)
{
	uint64_t *seen = malloc(b->packets * sizeof(*seen));
	unsigned distinct;

	if (!seen)
		fail("no memory", 0);
	for (unsigned i = 0; i < b->packets; i++) {
		const struct tuple *t = &b->flow[WAY_IN][i].tuple;

		seen[i] = (uint64_t)t->dst << 16 | t->dst_port;
	}
	distinct = distinct_of(seen, b->packets);
	if (distinct != b->scale)
		fail("sessions share an outside port, or one has two", distinct);
	free(seen);
}

static void make_flows(struct bench *b)
{
	for (unsigned i = 0; i < b->packets; i++)
		b->flow[WAY_OUT][i] = b->work->flow(b, i);
	for (unsigned i = b->packets; i > 1; i--) {
		unsigned k = rand_below(&b->random, i);
		struct flow6 swap = b->flow[WAY_OUT][i - 1];

		b->flow[WAY_OUT][i - 1] = b->flow[WAY_OUT][k];
		b->flow[WAY_OUT][k] = swap;
	}
	for (unsigned i = 0; i < b->packets; i++)
		form_sum(&b->received[WAY_OUT][form_of(b, i)], &b->flow[WAY_OUT][i]);
}

static void bench_forms(struct bench *b)
{
	const struct work *s = b->work;
	struct ipaddr far;

	ipaddr_parse(s->far, &far);
	// for the far end, what comes to it has its own form too
	forms_make(b->world, WORLD_INSIDE, s->inside, &far, b->received[WAY_OUT]);
	forms_make(b->world, WORLD_INSIDE, s->outside, &far, b->sent[WAY_OUT]);
	forms_make(b->world, WORLD_OUTSIDE, s->outside, &far, b->received[WAY_IN]);
	forms_make(b->world, WORLD_OUTSIDE, s->inside, &far, b->sent[WAY_IN]);
}

static void bench_world(struct bench *b, const struct task *task)
{
	struct world_setup setup = world_setup();
	unsigned sessions = b->work->is_stateful ? b->scale : PORTS_A_SUBSCRIBER;
	unsigned subscribers = (sessions + PORTS_A_SUBSCRIBER - 1) / PORTS_A_SUBSCRIBER;

	setup.size = (struct nat_size){.mappings = sessions,
		.sessions = 64,
		.subscribers = subscribers,
		.aliases = subscribers,
		.blocks = subscribers};
	setup.behaviour.kind = (uint8_t)b->work->kind;
	setup.max_blocks = 1;
	setup.mbufs = 4095;
	setup.hops = RULES_MOST + 64;
	setup.huge_pages = task->huge_pages;
	setup.pool_last = setup.pool_first + subscribers / BLOCKS_AN_ADDRESS;
	b->world = world_new(&setup, 1);
	b->worker = b->world->dataplane.worker[0];
	b->worker->nat.channel = NULL; // nobody listens for block events
	// what 1500 bytes of IPv4 become still fits
	world6_add(b->world, 1540);
	if (b->work->add)
		b->work->add(b);
}

static void bench_open(struct bench *b, const struct work *work, const struct task *task,
	unsigned scale, unsigned packets, bool imix)
{
	*b = (struct bench){.work = work, .scale = scale, .packets = packets, .imix = imix};
	rand_seed_fixed(&b->random, 1);
	bench_world(b, task);
	bench_forms(b);
	for (unsigned way = WAY_OUT; way <= WAY_IN; way++) {
		b->flow[way] =
			rte_malloc("flows", packets * sizeof(struct flow6), RTE_CACHE_LINE_SIZE);
		if (!b->flow[way])
			fail("no memory", 0);
	}
	buffers_open(&b->buffers, b->world);
	make_flows(b);
	open_flows(b);
	if (work->is_stateful)
		check_ports(b);
}

static void bench_close(struct bench *b)
{
	buffers_close(&b->buffers);
	rte_free(b->flow[WAY_OUT]);
	rte_free(b->flow[WAY_IN]);
	world_free(b->world);
	free(b->rule);
}

// Runs all packets of a way once, or only writes them. Returns the clocks it took.
static uint64_t run_pass(struct bench *b, enum way way, bool null)
{
	struct transmit *sent = &b->worker->transmit[way ^ 1];
	uint64_t start = core_clocks();

	for (unsigned at = 0; at < b->packets; at += BURST_MAX) {
		receive(b, way, at, burst_at(b, at));
		if (null)
			continue;
		if (way == WAY_OUT)
			carry_out(b->worker);
		else
			carry_in(b->worker);
		sent->n = 0;
	}
	return core_clocks() - start;
}

static void measure_way(struct bench *b, struct task *task, enum way way)
{
	double clocks[RUNS_MAX], nulls[RUNS_MAX];
	unsigned rounds = RTE_MAX(1u, task->packets / b->packets);
	struct row row = {
		.work = b->work->name,
		.direction = way == WAY_OUT ? "out" : "in",
		.of = "packet",
		.frame = b->imix ? "imix" : "64",
		.scale = b->scale,
		.runs = task->runs,
	};

	for (unsigned run = 0; run < task->runs; run++) {
		uint64_t whole = 0, null = 0;

		for (unsigned round = 0; round < rounds; round++) {
			null += run_pass(b, way, true);
			whole += run_pass(b, way, false);
		}
		nulls[run] = (double)null / rounds / b->packets;
		clocks[run] = (double)whole / rounds / b->packets - nulls[run];
	}
	set_clocks(&row, nulls);
	row.null = row.clocks;
	set_clocks(&row, clocks);
	print_row(task, &row);
}

static void measure_latency(struct bench *b, struct task *task, enum way way)
{
	unsigned rounds = RTE_MAX(1u, task->packets / b->packets);
	struct latency latency;

	latency_open(&latency, rounds * (b->packets / BURST_MAX));
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned at = 0; at < b->packets; at += BURST_MAX) {
			unsigned n = burst_at(b, at);

			receive(b, way, at, n);
			latency_begin(&latency);
			pipeline_run(b->worker, &b->worker->burst, way);
			latency_end(&latency, n);
			b->worker->transmit[way ^ 1].n = 0;
		}
	}
	latency_close(&latency, task, b->work->name, way == WAY_OUT ? "out" : "in", b->scale);
}

static void print_opening(const struct bench *b, struct task *task)
{
	double clocks = (double)b->opening / b->packets;
	struct row row = {.work = b->work->opening,
		.direction = "out",
		.of = "mapping",
		.scale = b->scale,
		.runs = 1};

	// with more packets than sessions, not each is the first of one
	if (!row.work || b->packets != b->scale || b->imix)
		return;
	set_clocks(&row, &clocks);
	print_row(task, &row);
}

static void measure_service(
	struct task *task, const struct work *work, unsigned scale, unsigned packets, bool imix)
{
	struct bench b;

	if (!is_wanted(task, work->name))
		return;
	bench_open(&b, work, task, scale, packets, imix);
	print_opening(&b, task);
	for (unsigned way = WAY_OUT; way <= WAY_IN; way++) {
		measure_way(&b, task, way);
		if (!imix && is_wanted(task, "latency"))
			measure_latency(&b, task, way);
	}
	bench_close(&b);
}

void measure_services(struct task *task)
{
	unsigned scale = task->sessions;
	unsigned packets = RTE_MAX(scale, (unsigned)DISTINCT_MIN);

	packets -= packets % scale;
	for (unsigned i = 0; i < RTE_DIM(services); i++)
		measure_service(task, &services[i], scale, packets, false);
	if (scale != IMIX_SCALE)
		return;
	measure_service(task, &nat44, scale, packets, true);
	for (unsigned i = 0; i < RTE_DIM(services); i++)
		measure_service(task, &services[i], scale, packets, true);
}

void measure_rules(struct task *task)
{
	static const unsigned scale[] = {1, 1000, RULES_MOST};

	for (unsigned i = 0; i < RTE_DIM(scale); i++) {
		unsigned packets = RTE_MIN(task->packets, (unsigned)MAP_PACKETS);

		if (scale[i] > packets / 8)
			break;
		packets -= packets % scale[i];
		for (unsigned k = 0; k < RTE_DIM(rules); k++)
			measure_service(task, &rules[k], scale[i], packets, false);
	}
}
