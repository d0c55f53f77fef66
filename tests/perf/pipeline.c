// SPDX-License-Identifier: BSD-3-Clause

// Clocks a packet of the pipeline that homeportd links, from a received burst to a transmit-ready one:
// NAT44 in both directions, one worker, 64-byte UDP frames, flows in random order.
//
// Every packet is written into its mbuf just before it is "received", from a list of tuples; a null pass
// that writes the same packets and runs no pipeline is measured beside each pass and subtracted. Before
// anything is measured, each packet goes through once and what comes out is checked in full.
//
// `fragment-flood` is the same with a burst of fragments from outside before each burst of whole packets, all
// of datagrams whose first fragment never comes: what they cost whole packets, by what they leave of the
// caches. The fragments' own time is the row `fragments`.
//
// What is counted are clocks of the time stamp counter while the core is ours. Their rate is fixed; the core's own
// clock may be another.

#include "net/csum.h"
#include "table/acl.h"

#include "latency.h"

#include <rte_malloc.h>
#include <rte_udp.h>

#include <stdlib.h>

#define DISTINCT_MIN 4096
#define RULES_MAX    100000
#define RULES_EACH   8

struct bench {
	const char *work;
	struct world *world;
	struct worker *worker;
	unsigned sessions;
	unsigned scale; // that rows are told under
	unsigned packets;
	struct tuple *out; // one for each packet from inside
	struct tuple *in;  // and for its answer
	struct buffers buffers;
	uint32_t fragments;       // sent so far
	uint64_t fragment_clocks; // of those of this pass
	uint64_t flood_clocks;    // and what it took to write them besides
};

enum pass { PASS_NULL, PASS_WHOLE, PASS_FLOOD };

// A burst of fragments from as many sources, none of them the first of its datagram.
static void run_fragments(struct bench *b)
{
	struct burst *burst = &b->worker->burst;
	struct blank blank = blank_udp(b->world, WORLD_OUTSIDE);
	uint64_t began = core_clocks(), start;

	if (rte_pktmbuf_alloc_bulk(b->world->mbufs, burst->mbuf, BURST_MAX))
		fail("no buffers for fragments", b->fragments);
	for (unsigned i = 0; i < BURST_MAX; i++) {
		struct tuple t = {.src = rte_cpu_to_be_32(0x01000000 + b->fragments * 0x10001),
			.dst = rte_cpu_to_be_32(b->world->pool->range[0].first)};
		struct rte_ipv4_hdr *ip;

		write_frame(burst->mbuf[i], &t, &blank);
		ip = rte_pktmbuf_mtod_offset(burst->mbuf[i], struct rte_ipv4_hdr *, 14);
		ip->packet_id = (rte_be16_t)b->fragments++;
		ip->fragment_offset = RTE_BE16(64);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	burst->n = BURST_MAX;
	start = core_clocks();
	pipeline_run(b->worker, burst, WORLD_OUTSIDE);
	b->fragment_clocks += core_clocks() - start;
	b->flood_clocks += core_clocks() - began;
}

// Runs all packets of a direction once. Returns the clocks it took, without those of fragments.
static uint64_t run_pass(struct bench *b, unsigned iface, enum pass pass)
{
	const struct tuple *t = iface == WORLD_INSIDE ? b->out : b->in;
	struct worker *w = b->worker;
	struct transmit *sent = &w->transmit[iface ^ 1];
	struct blank blank = blank_udp(b->world, iface);
	uint64_t start = core_clocks();

	b->fragment_clocks = b->flood_clocks = 0;
	for (unsigned at = 0; at < b->packets; at += BURST_MAX) {
		unsigned n = RTE_MIN(b->packets - at, (unsigned)BURST_MAX);

		if (pass == PASS_FLOOD)
			run_fragments(b);
		load_burst(&b->buffers, t + at, n, &blank, &w->burst);
		if (pass == PASS_NULL)
			continue;
		if (iface == WORLD_INSIDE)
			carry_out(w);
		else
			carry_in(w);
		sent->n = 0;
	}
	return core_clocks() - start - b->flood_clocks;
}

// The whole packet against its expectation; returns its tuple.
static struct tuple check_packet(
	const struct rte_mbuf *m, const struct tuple *sent, bool outward, unsigned at)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + 1);
	uint16_t udp_length = rte_be_to_cpu_16(udp->dgram_len);
	struct rte_ipv4_hdr copy = *ip;
	struct tuple t = {.src = ip->src_addr,
		.dst = ip->dst_addr,
		.src_port = udp->src_port,
		.dst_port = udp->dst_port};

	if (rte_pktmbuf_pkt_len(m) != FRAME || ip->time_to_live != 63)
		fail("length or time to live", at);
	copy.hdr_checksum = 0;
	if (rte_ipv4_cksum(&copy) != ip->hdr_checksum)
		fail("IP checksum", at);
	if (csum_fold(csum_sum(udp, udp_length) + csum_sum(&ip->src_addr, 8) +
		    rte_cpu_to_be_16(udp_length) + RTE_BE16(17)) != 0xffff)
		fail("UDP checksum", at);
	if (outward ? t.dst != sent->dst || t.dst_port != sent->dst_port
		    : t.src != sent->src || t.src_port != sent->src_port)
		fail("the side that must stay changed", at);
	return t;
}

// Sends the packets of one burst of a direction. Returns how many there are.
static unsigned carry(struct bench *b, unsigned iface, unsigned at, const struct blank *blank)
{
	const struct tuple *from = iface == WORLD_INSIDE ? b->out : b->in;
	unsigned n = RTE_MIN(b->packets - at, (unsigned)BURST_MAX);
	struct worker *w = b->worker;
	struct transmit *sent = &w->transmit[iface ^ 1];

	load_burst(&b->buffers, from + at, n, blank, &w->burst);
	pipeline_run(w, &w->burst, iface);
	if (sent->n != n)
		fail("was not forwarded", at);
	sent->n = 0;
	return n;
}

// Opens every session; then sends all again and makes the list of answers from what comes out, in the order in which it
// went in; then sends those once too. Each packet that comes out is checked, and that each inside tuple has one outside
// tuple of its own.
static void open_sessions(struct bench *b)
{
	uint64_t *seen = malloc(b->packets * sizeof(*seen));
	struct blank inside = blank_udp(b->world, WORLD_INSIDE);
	unsigned distinct;

	if (!seen)
		fail("no memory", 0);
	for (unsigned at = 0; at < b->packets; at += BURST_MAX)
		carry(b, WORLD_INSIDE, at, &inside);
	for (unsigned iface = 0; iface < 2; iface++) {
		struct rte_mbuf **sent = b->worker->transmit[iface ^ 1].mbuf;
		const struct tuple *from = iface == WORLD_INSIDE ? b->out : b->in;
		struct blank blank = blank_udp(b->world, iface);

		for (unsigned at = 0; at < b->packets; at += BURST_MAX) {
			unsigned n = carry(b, iface, at, &blank);

			for (unsigned i = 0; i < n; i++) {
				struct tuple t = check_packet(
					sent[i], &from[at + i], iface == WORLD_INSIDE, at + i);

				if (iface == WORLD_INSIDE) {
					b->in[at + i] = (struct tuple){.src = t.dst,
						.dst = t.src,
						.src_port = t.dst_port,
						.dst_port = t.src_port};
					sum_tuple(&b->in[at + i], &blank);
					seen[at + i] = (uint64_t)t.src << 16 | t.src_port;
				} else if (t.dst != b->out[at + i].src ||
					t.dst_port != b->out[at + i].src_port) {
					fail("came back to somebody else", at + i);
				}
			}
		}
	}
	distinct = distinct_of(seen, b->packets);
	if (distinct != b->sessions)
		fail("sessions share an outside port, or one has two", distinct);
	free(seen);
}

// Packets in random order: each session as often as any other, at least once.
static void make_packets(struct bench *b, struct rand *random)
{
	struct blank blank = blank_udp(b->world, WORLD_INSIDE);

	for (unsigned i = 0; i < b->packets; i++) {
		b->out[i] =
			tuple_of_flow(i % b->sessions, 0x01000000 + rand_below(random, 0x5e000000));
		sum_tuple(&b->out[i], &blank);
	}
	shuffle(b->out, b->packets, random);
}

// Fixed ports for as many inside hosts as have an address there, 64 or more each.
static void fix_ports(struct world_setup *setup, struct detnat_setup *fixed,
	struct ipprefix *inside, unsigned subscribers)
{
	uint32_t hosts = 64;

	// tuple_of_flow() begins at the sixteenth
	while (hosts < subscribers + 32)
		hosts *= 2;
	*inside = (struct ipprefix){
		.addr = ipaddr_v4(RTE_BE32(RTE_IPV4(100u, 64, 0, 0))),
		.len = (uint8_t)(32 - __builtin_ctz(hosts)),
	};
	*fixed = (struct detnat_setup){.inside = inside, .prefixes = 1};
	setup->fixed = fixed;
	setup->pool_last = setup->pool_first + hosts / BLOCKS_AN_ADDRESS;
}

static void bench_open(
	struct bench *b, const struct task *task, const char *work, bool deterministic)
{
	struct world_setup setup = world_setup();
	unsigned sessions = task->sessions;
	unsigned subscribers = (sessions + PORTS_A_SUBSCRIBER - 1) / PORTS_A_SUBSCRIBER;
	struct detnat_setup fixed;
	struct ipprefix inside;
	struct rand random;

	*b = (struct bench){.work = work, .sessions = sessions, .scale = sessions};
	b->packets = RTE_MAX(sessions, (unsigned)DISTINCT_MIN);
	b->packets -= b->packets % sessions;
	setup.size = (struct nat_size){.mappings = sessions,
		.sessions = 64,
		.subscribers = subscribers,
		.blocks = subscribers};
	setup.max_blocks = 1;
	setup.mbufs = 4095;
	setup.rules = RULES_MAX;
	setup.huge_pages = task->huge_pages;
	setup.pool_last = setup.pool_first + subscribers / BLOCKS_AN_ADDRESS;
	if (deterministic)
		fix_ports(&setup, &fixed, &inside, subscribers);
	b->world = world_new(&setup, 1);
	b->worker = b->world->dataplane.worker[0];
	b->worker->nat.channel = NULL; // nobody listens for block events
	b->out = rte_malloc("out", b->packets * sizeof(*b->out), RTE_CACHE_LINE_SIZE);
	b->in = rte_malloc("in", b->packets * sizeof(*b->in), RTE_CACHE_LINE_SIZE);
	if (!b->out || !b->in)
		fail("no memory", 0);
	buffers_open(&b->buffers, b->world);
	rand_seed_fixed(&random, 1);
	make_packets(b, &random);
	open_sessions(b);
}

static void bench_close(struct bench *b)
{
	buffers_close(&b->buffers);
	rte_free(b->in);
	rte_free(b->out);
	world_free(b->world);
}

// Measures whole packets of a direction, and where they go with a flood the fragments of that.
static void measure(struct bench *b, struct task *task, unsigned iface, enum pass pass)
{
	double clocks[RUNS_MAX], nulls[RUNS_MAX], fragments[RUNS_MAX];
	unsigned bursts = (b->packets + BURST_MAX - 1) / BURST_MAX;
	unsigned rounds = RTE_MAX(1u, task->packets / b->packets);
	struct row row = {
		.work = pass == PASS_FLOOD ? "fragment-flood" : b->work,
		.direction = iface == WORLD_INSIDE ? "out" : "in",
		.of = "packet",
		.scale = b->scale,
		.runs = task->runs,
	};

	for (unsigned run = 0; run < task->runs; run++) {
		uint64_t whole = 0, null = 0, flood = 0;

		for (unsigned round = 0; round < rounds; round++) {
			null += run_pass(b, iface, PASS_NULL);
			whole += run_pass(b, iface, pass);
			flood += b->fragment_clocks;
		}
		nulls[run] = (double)null / rounds / b->packets;
		clocks[run] = (double)whole / rounds / b->packets - nulls[run];
		fragments[run] = (double)flood / rounds / bursts / BURST_MAX;
	}
	set_clocks(&row, nulls);
	row.null = row.clocks;
	set_clocks(&row, clocks);
	print_row(task, &row);
	if (pass != PASS_FLOOD || iface != WORLD_OUTSIDE)
		return;
	row.work = "fragments";
	row.null = 0;
	set_clocks(&row, fragments);
	print_row(task, &row);
}

static void measure_latency(struct bench *b, struct task *task, unsigned iface)
{
	const struct tuple *t = iface == WORLD_INSIDE ? b->out : b->in;
	unsigned rounds = RTE_MAX(1u, task->packets / b->packets);
	struct blank blank = blank_udp(b->world, iface);
	struct worker *w = b->worker;
	struct latency latency;

	latency_open(&latency, rounds * (b->packets / BURST_MAX));
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned at = 0; at < b->packets; at += BURST_MAX) {
			unsigned n = RTE_MIN(b->packets - at, (unsigned)BURST_MAX);

			load_burst(&b->buffers, t + at, n, &blank, &w->burst);
			latency_begin(&latency);
			pipeline_run(w, &w->burst, iface);
			latency_end(&latency, n);
			w->transmit[iface ^ 1].n = 0;
		}
	}
	latency_close(&latency, task, b->work, iface == WORLD_INSIDE ? "out" : "in", b->scale);
}

static void measure_both(struct bench *b, struct task *task)
{
	for (unsigned iface = 0; iface < 2; iface++) {
		measure(b, task, iface, PASS_WHOLE);
		if (is_wanted(task, "latency"))
			measure_latency(b, task, iface);
	}
}

void measure_pipeline(struct task *task)
{
	struct bench b;

	if (is_wanted(task, "nat44-eim-pba")) {
		bench_open(&b, task, "nat44-eim-pba", false);
		measure_both(&b, task);
		for (unsigned iface = 0; iface < 2 && is_wanted(task, "fragment-flood"); iface++)
			measure(&b, task, iface, PASS_FLOOD);
		bench_close(&b);
	}
	if (!is_wanted(task, "nat44-deterministic"))
		return;
	bench_open(&b, task, "nat44-deterministic", true);
	measure_both(&b, task);
	bench_close(&b);
}

// Rules up to so many, spread over the subscribers, none of which meets any packet.
static void add_rules(struct bench *b, unsigned *made, unsigned rules)
{
	unsigned subscribers = (b->sessions + PORTS_A_SUBSCRIBER - 1) / PORTS_A_SUBSCRIBER;
	struct acl_rule rule = {.any_protocol = true,
		.upper_port = UINT16_MAX,
		.upper_type = UINT8_MAX,
		.target = ipprefix_make(&(struct ipaddr){4, {192, 0, 2, 200}}, 32)};
	uint32_t slot;

	for (; *made < rules; ++*made) {
		struct tuple t =
			tuple_of_flow(*made % subscribers * PORTS_A_SUBSCRIBER, 0x01000000);

		rule.subscriber = subkey_v4(t.src, b->world->snapshot->policy[0]->instance);
		if (acl_add(b->world->acl, &rule, &slot) < 0)
			fail("no room for a rule", *made);
		nat_mark(&b->worker->nat, &rule.subscriber, true);
	}
}

void measure_mitigations(struct task *task)
{
	static const unsigned rules[] = {0, 1, 1000, RULES_MAX};
	unsigned subscribers = task->sessions / PORTS_A_SUBSCRIBER;
	unsigned made = 0;
	struct bench b;

	if (!is_wanted(task, "mitigations"))
		return;
	bench_open(&b, task, "mitigations", false);
	for (unsigned i = 0; i < RTE_DIM(rules); i++) {
		// few subscribers would have more than anybody gives them
		if (rules[i] > RULES_EACH * subscribers)
			break;
		add_rules(&b, &made, rules[i]);
		b.scale = rules[i];
		measure(&b, task, WORLD_INSIDE, PASS_WHOLE);
	}
	bench_close(&b);
}
