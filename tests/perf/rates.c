// SPDX-License-Identifier: BSD-3-Clause

// How fast flows come and go (RFC 9693 sections 4.3 to 4.7): one worker, 64-byte frames, each step over all flows in
// a new random order and over as many ticks as the flows of a second or two would take.
//
//	new-blocks    the first packet of a subscriber: it gets its port block, and the flow its mapping
//	new-mappings  the first packet of another flow of a subscriber that has its block
//	expiry        a mapping, or a TCP session with its mapping, whose time has run out
//	tcp-open      SYN out, SYN-ACK in, ACK out; a block every 63 connections included
//	tcp-data      a segment of a connection that is open, either way
//	tcp-close     FIN out, FIN-ACK in, ACK out
//
// An entry of the wheel is looked at twice at least, since each flow has been used after its first packet. Writing the
// frames is measured in a null pass beside each step, and subtracted. After each step it is checked that every packet
// was forwarded and that there is exactly the state that there should be.

#include "perf.h"

#include <rte_cycles.h>
#include <rte_malloc.h>

#include <stdlib.h>

#define TICKS_A_STEP  64
#define TICKS_AT_MOST 65536
#define EXPIRE_A_TURN 64 // as in worker/loop.c

struct rates {
	struct task *task;
	struct world *world;
	struct worker *worker;
	struct rand random;
	unsigned flows;
	unsigned subscribers;
	struct tuple *out;
	struct tuple *in;
	struct buffers buffers;
	double null; // clocks a packet of the null pass before the last step
};

static void rates_open(struct rates *r, struct task *task)
{
	struct world_setup setup = world_setup();
	unsigned flows = task->sessions;
	unsigned subscribers = (flows + PORTS_A_SUBSCRIBER - 1) / PORTS_A_SUBSCRIBER;

	*r = (struct rates){.task = task, .flows = flows, .subscribers = subscribers};
	setup.size = (struct nat_size){.mappings = flows,
		.sessions = flows,
		.subscribers = subscribers,
		.blocks = subscribers};
	setup.max_blocks = 1;
	setup.mbufs = 4095;
	setup.huge_pages = task->huge_pages;
	setup.pool_last = setup.pool_first + subscribers / BLOCKS_AN_ADDRESS;
	r->world = world_new(&setup, 1);
	r->worker = r->world->dataplane.worker[0];
	r->worker->nat.channel = NULL; // nobody listens for block events
	r->out = rte_malloc("out", flows * sizeof(*r->out), RTE_CACHE_LINE_SIZE);
	r->in = rte_malloc("in", flows * sizeof(*r->in), RTE_CACHE_LINE_SIZE);
	if (!r->out || !r->in)
		fail("no memory", 0);
	buffers_open(&r->buffers, r->world);
	rand_seed_fixed(&r->random, 1);
}

static void rates_close(struct rates *r)
{
	buffers_close(&r->buffers);
	rte_free(r->in);
	rte_free(r->out);
	world_free(r->world);
}

// The flows in random order, but the first of each subscriber before all others.
static void make_flows(struct rates *r)
{
	unsigned first = 0, other = r->subscribers;

	for (unsigned flow = 0; flow < r->flows; flow++) {
		uint32_t remote = 0x01000000 + rand_below(&r->random, 0x5e000000);

		r->out[flow % PORTS_A_SUBSCRIBER ? other++ : first++] = tuple_of_flow(flow, remote);
	}
	shuffle(r->out, r->subscribers, &r->random);
	shuffle(r->out + r->subscribers, r->flows - r->subscribers, &r->random);
}

// The answer to each packet from inside.
static void make_answers(struct rates *r)
{
	const struct nat *nat = &r->worker->nat;

	for (unsigned i = 0; i < r->flows; i++) {
		const struct tuple *t = &r->out[i];
		struct flow flow = {.inside = t->src,
			.remote = t->dst,
			.inside_port = t->src_port,
			.remote_port = t->dst_port,
			.l4 = L4_TCP};
		const struct mapping *m = &nat->bib.mapping[nat_find_inside(nat, &flow)];

		r->in[i] = (struct tuple){.src = t->dst,
			.dst = m->outside,
			.src_port = t->dst_port,
			.dst_port = m->outside_port};
	}
}

// Sends packets once, or only writes them, and returns the clocks it took. The clock of the box goes on.
static uint64_t run_pass(struct rates *r, struct tuple *t, unsigned count, unsigned iface,
	const struct blank *blank, bool null)
{
	struct worker *w = r->worker;
	struct transmit *sent = &w->transmit[iface ^ 1];
	unsigned a_tick = count / TICKS_A_STEP + 1, in_tick = 0;
	uint64_t clocks = 0, start;

	for (unsigned at = 0; at < count; at += BURST_MAX) {
		unsigned n = RTE_MIN(count - at, (unsigned)BURST_MAX);

		start = rte_rdtsc();
		load_burst(&r->buffers, t + at, n, blank, &w->burst);
		if (!null)
			pipeline_run(w, &w->burst, iface);
		clocks += rte_rdtsc() - start;
		if (null)
			continue;
		if (sent->n != n)
			fail("was not forwarded", at);
		sent->n = 0;
		for (in_tick += n; in_tick >= a_tick; in_tick -= a_tick)
			w->now++;
	}
	return clocks;
}

// One step: all these packets, without what it takes to write them. Returns clocks a packet.
static double run_step(
	struct rates *r, struct tuple *t, unsigned count, const struct blank *blank, unsigned iface)
{
	uint64_t null;

	for (unsigned i = 0; i < count; i++)
		sum_tuple(&t[i], blank);
	null = run_pass(r, t, count, iface, blank, true);
	r->null = (double)null / count;
	return ((double)run_pass(r, t, count, iface, blank, false) - (double)null) / count;
}

// Lets all mappings run out, in turns. Returns clocks a mapping. A turn that finds nothing is no part of it.
static double run_out(struct rates *r)
{
	struct nat *nat = &r->worker->nat;
	unsigned count = nat->bib.used, ticks = 0;
	uint64_t clocks = 0;

	while (nat->bib.used) {
		unsigned ended;

		if (++ticks > TICKS_AT_MOST)
			fail("mappings do not end", nat->bib.used);
		r->worker->now++;
		do {
			uint64_t start = rte_rdtsc();

			ended = nat_expire(nat, r->worker->now, EXPIRE_A_TURN);
			if (ended)
				clocks += rte_rdtsc() - start;
		} while (ended);
	}
	return (double)clocks / count;
}

// Until all blocks have rested and are free again.
static void rest_blocks(struct rates *r)
{
	const struct portblk *share = r->worker->nat.share[0];

	for (unsigned i = 0; share->used; i++) {
		if (i > 8)
			fail("blocks do not come back", share->used);
		world_pass(r->world, r->worker->now + 2000);
	}
}

static void check(const struct rates *r, unsigned mappings, unsigned sessions, enum tcp_state state)
{
	const struct nat *nat = &r->worker->nat;

	if (nat->bib.used != mappings)
		fail("wrong number of mappings", nat->bib.used);
	if (nat->sessions.used != sessions)
		fail("wrong number of sessions", nat->sessions.used);
	for (uint32_t i = 1; sessions && i < nat->sessions.fresh; i++) {
		if (nat->sessions.session[i].state != state)
			fail("wrong state of session", i);
	}
}

enum udp_row { NEW_BLOCKS, NEW_MAPPINGS, EXPIRY, UDP_ROWS };

static void run_udp(struct rates *r, double *clocks, double *nulls)
{
	struct blank blank = blank_udp(r->world, WORLD_INSIDE);
	unsigned first = r->subscribers, others = r->flows - first;

	make_flows(r);
	clocks[NEW_BLOCKS] = run_step(r, r->out, first, &blank, WORLD_INSIDE);
	nulls[NEW_BLOCKS] = r->null;
	check(r, first, 0, TCP_CLOSED);
	clocks[NEW_MAPPINGS] = run_step(r, r->out + first, others, &blank, WORLD_INSIDE);
	nulls[NEW_MAPPINGS] = r->null;
	check(r, r->flows, 0, TCP_CLOSED);
	// once more, so that they do not end in the order in which they were made
	shuffle(r->out, r->flows, &r->random);
	run_step(r, r->out, r->flows, &blank, WORLD_INSIDE);
	clocks[EXPIRY] = run_out(r);
	nulls[EXPIRY] = 0;
	rest_blocks(r);
}

enum tcp_row { TCP_OPEN, TCP_DATA_OUT, TCP_DATA_IN, TCP_CLOSE, TCP_EXPIRY, TCP_ROWS };

// Three packets of each connection: one out, its answer, and one more out.
static double run_tcp_steps(struct rates *r, uint8_t first, uint8_t answer, double *null)
{
	struct blank one = blank_tcp(r->world, WORLD_INSIDE, first);
	struct blank two = blank_tcp(r->world, WORLD_OUTSIDE, answer);
	struct blank three = blank_tcp(r->world, WORLD_INSIDE, TCP_FLAG_ACK);
	double clocks;

	clocks = run_step(r, r->out, r->flows, &one, WORLD_INSIDE);
	*null = r->null;
	make_answers(r);
	shuffle(r->in, r->flows, &r->random);
	clocks += run_step(r, r->in, r->flows, &two, WORLD_OUTSIDE);
	*null += r->null;
	shuffle(r->out, r->flows, &r->random);
	clocks += run_step(r, r->out, r->flows, &three, WORLD_INSIDE);
	*null += r->null;
	return clocks;
}

// A segment out and one in of each connection.
static void run_tcp_data(struct rates *r, double *clocks, double *nulls)
{
	struct blank out = blank_tcp(r->world, WORLD_INSIDE, TCP_FLAG_ACK);
	struct blank in = blank_tcp(r->world, WORLD_OUTSIDE, TCP_FLAG_ACK);

	shuffle(r->out, r->flows, &r->random);
	clocks[TCP_DATA_OUT] = run_step(r, r->out, r->flows, &out, WORLD_INSIDE);
	nulls[TCP_DATA_OUT] = r->null;
	shuffle(r->in, r->flows, &r->random);
	clocks[TCP_DATA_IN] = run_step(r, r->in, r->flows, &in, WORLD_OUTSIDE);
	nulls[TCP_DATA_IN] = r->null;
}

static void run_tcp(struct rates *r, double *clocks, double *nulls)
{
	make_flows(r);
	shuffle(r->out, r->flows, &r->random);
	clocks[TCP_OPEN] =
		run_tcp_steps(r, TCP_FLAG_SYN, TCP_FLAG_SYN | TCP_FLAG_ACK, &nulls[TCP_OPEN]);
	run_tcp_data(r, clocks, nulls);
	check(r, r->flows, r->flows, TCP_ESTABLISHED);
	clocks[TCP_CLOSE] = run_tcp_steps(
		r, TCP_FLAG_FIN | TCP_FLAG_ACK, TCP_FLAG_FIN | TCP_FLAG_ACK, &nulls[TCP_CLOSE]);
	check(r, r->flows, r->flows, TCP_BOTH_FIN);
	clocks[TCP_EXPIRY] = run_out(r);
	nulls[TCP_EXPIRY] = 0;
	check(r, 0, 0, TCP_CLOSED);
	rest_blocks(r);
}

// Runs one kind of flows as often as asked, and prints its rows.
static void measure_kind(struct rates *r, struct row *row, unsigned rows,
	void (*run)(struct rates *r, double *clocks, double *nulls))
{
	double clocks[RUNS_MAX][TCP_ROWS], nulls[RUNS_MAX][TCP_ROWS], column[RUNS_MAX];

	static_assert((unsigned)TCP_ROWS >= (unsigned)UDP_ROWS, "room for either");
	for (unsigned i = 0; i < r->task->runs; i++)
		run(r, clocks[i], nulls[i]);
	for (unsigned n = 0; n < rows; n++) {
		row[n].runs = r->task->runs;
		if (!row[n].direction)
			row[n].direction = "out"; // where they are opened to
		for (unsigned i = 0; i < r->task->runs; i++)
			column[i] = nulls[i][n];
		set_clocks(&row[n], column);
		row[n].null = row[n].clocks;
		for (unsigned i = 0; i < r->task->runs; i++)
			column[i] = clocks[i][n];
		set_clocks(&row[n], column);
		print_row(r->task, &row[n]);
	}
}

void measure_rates(struct task *task)
{
	struct row udp[UDP_ROWS] = {
		[NEW_BLOCKS] = {.work = "new-blocks", .of = "mapping"},
		[NEW_MAPPINGS] = {.work = "new-mappings", .of = "mapping"},
		[EXPIRY] = {.work = "expiry", .of = "mapping"},
	};
	struct row tcp[TCP_ROWS] = {
		[TCP_OPEN] = {.work = "tcp-open", .of = "connection"},
		[TCP_DATA_OUT] = {.work = "tcp-data", .of = "packet"},
		[TCP_DATA_IN] = {.work = "tcp-data", .direction = "in", .of = "packet"},
		[TCP_CLOSE] = {.work = "tcp-close", .of = "connection"},
		[TCP_EXPIRY] = {.work = "tcp-expiry", .of = "connection"},
	};
	struct rates r;

	rates_open(&r, task);
	for (unsigned i = 0; i < UDP_ROWS; i++)
		udp[i].scale = task->sessions;
	for (unsigned i = 0; i < TCP_ROWS; i++)
		tcp[i].scale = task->sessions;
	udp[NEW_BLOCKS].scale = r.subscribers;
	measure_kind(&r, udp, UDP_ROWS, run_udp);
	measure_kind(&r, tcp, TCP_ROWS, run_tcp);
	rates_close(&r);
}
