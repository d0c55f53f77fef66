// SPDX-License-Identifier: BSD-3-Clause

#include "support/world.h"

#include "base/clock.h"
#include "base/rcu.h"
#include "table/acl.h"
#include "table/moves.h"
#include "table/neighbour.h"

#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_ip.h>
#include <rte_malloc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rte_ether_addr box_mac[2] = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 0x11}}};
static const struct rte_ether_addr peer_mac[2] = {{{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 0x12}}};

static void need(const void *what, const char *name)
{
	if (what)
		return;
	fprintf(stderr, "world: no memory for %s\n", name);
	exit(1);
}

void world_eal(const char *program, bool huge_pages, unsigned memory_mb)
{
	char words[256], *argv[16], *save;
	int argc = 0;

	// EAL keeps and writes its arguments, so they are words of an array
	snprintf(words, sizeof(words),
		"%s --no-pci --no-telemetry --no-shconf --log-level=error "
		"--force-max-simd-bitwidth=512 %s%.0u",
		program, huge_pages ? "--in-memory " : "--no-huge -m ", huge_pages ? 0 : memory_mb);
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "world: EAL does not start\n");
		exit(1);
	}
}

struct world_setup world_setup(void)
{
	return (struct world_setup){
		.workers = 1,
		.size = {.mappings = 4096, .sessions = 4096, .subscribers = 256, .blocks = 256},
		.datagrams = {.datagrams = 256,
			.waiting = 64,
			.fragments_each = 64,
			.each_source = 64,
			.source_bits = 32},
		.tunnelled = {.datagrams = 64,
			.waiting = 256,
			.fragments_each = 64,
			.each_source = 16,
			.source_bits = 56},
		.block_bits = 6,
		.max_blocks = 4,
		.pool_first = RTE_IPV4(203u, 0, 113, 0),
		.pool_last = RTE_IPV4(203u, 0, 113, 15),
		.mbufs = 1023,
		.rules = 1024,
		.hairpinning = true,
		.fragments = {.behavior = FRAGMENTS_OUT_OF_ORDER,
			.limit = UINT32_MAX,
			.ticks = 2 * TICKS_A_SECOND},
		.mtu = 1500,
		.hops = 1024,
		.memory_mb = 128,
	};
}

static struct timers default_timers(void)
{
	return (struct timers){
		.udp = 300 * TICKS_A_SECOND,
		.tcp_idle = 7440 * TICKS_A_SECOND,
		.tcp_trans_open = 240 * TICKS_A_SECOND,
		.tcp_trans_close = 240 * TICKS_A_SECOND,
		.dccp_idle = 7440 * TICKS_A_SECOND,
		.dccp_trans = 240 * TICKS_A_SECOND,
		.tcp_in_syn = 6 * TICKS_A_SECOND,
		.icmp = 60 * TICKS_A_SECOND,
		.hold_down = 120 * TICKS_A_SECOND,
		.port_set = 120 * TICKS_A_SECOND,
		.port_set_active = UINT32_MAX,
	};
}

static void add_neighbour(
	struct world *world, uint8_t iface, rte_be32_t addr, struct nexthop *nexthop)
{
	struct ipaddr ip = ipaddr_v4(addr);

	nexthop->neighbour = neighbour_add(world->neighbours, iface, &ip);
	neighbour_set(world->neighbours, nexthop->neighbour, &peer_mac[iface]);
}

static void add_iface(struct snapshot *s, unsigned n, const struct world_setup *setup,
	const char *name, enum realm realm, rte_be32_t addr)
{
	struct iface *iface = &s->iface[n];

	*iface = (struct iface){
		.mac = box_mac[n],
		.port = (uint8_t)n,
		.realm = (uint8_t)realm,
		.enabled = true,
		.icmp_errors = true,
		.mtu = setup->mtu,
		.addr4 = addr,
	};
	snprintf(iface->name, sizeof(iface->name), "%s", name);
	s->iface_of[n] = malloc(4096);
	need(s->iface_of[n], "VLAN table");
	memset(s->iface_of[n], UINT8_MAX, 4096);
	s->iface_of[n][0] = (uint8_t)n;
}

// A pool as the largest aligned prefixes that fit.
static void add_pool_routes(struct snapshot *s, const struct world_setup *setup, unsigned hop)
{
	uint32_t count = setup->pool_last - setup->pool_first + 1;

	for (uint32_t at = 0; at < count;) {
		unsigned bits = 0;

		while (bits < 31 && !((setup->pool_first + at) & (1u << bits)) &&
			at + (2u << bits) <= count)
			bits++;
		snapshot_add_route(s, setup->pool_first + at, 32 - bits, hop);
		at += 1u << bits;
	}
}

static void add_routes(struct world *world, const struct world_setup *setup)
{
	struct rte_fib_conf conf = {
		.type = RTE_FIB_DIR24_8,
		.max_routes = (int)setup->hops,
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = 64},
	};
	struct snapshot *s = world->snapshot;

	s->fib = rte_fib_create("world", SOCKET_ID_ANY, &conf);
	s->nexthop = calloc(setup->hops, sizeof(*s->nexthop));
	need(s->fib, "FIB");
	need(s->nexthop, "next hops");
	world->hops = setup->hops;
	s->nexthops = 6;
	for (unsigned i = 0; i < s->nexthops; i++)
		s->nexthop[i].mtu = UINT16_MAX;
	s->nexthop[1] = (struct nexthop){.kind = NEXTHOP_GATEWAY,
		.iface = WORLD_INSIDE,
		.realm = REALM_INTERNAL,
		.mtu = setup->mtu};
	add_neighbour(world, WORLD_INSIDE, RTE_BE32(RTE_IPV4(100u, 64, 0, 2)), &s->nexthop[1]);
	s->nexthop[2] = (struct nexthop){.kind = NEXTHOP_GATEWAY,
		.iface = WORLD_OUTSIDE,
		.realm = REALM_EXTERNAL,
		.mtu = setup->mtu};
	add_neighbour(world, WORLD_OUTSIDE, RTE_BE32(RTE_IPV4(192u, 0, 2, 254)), &s->nexthop[2]);
	s->nexthop[3].kind = NEXTHOP_LOCAL;
	s->nexthop[3].iface = WORLD_INSIDE;
	s->nexthop[4].kind = NEXTHOP_LOCAL;
	s->nexthop[4].iface = WORLD_OUTSIDE;
	s->nexthop[5].kind = NEXTHOP_POOL;
	s->nexthop[5].first = setup->pool_first;
	snapshot_add_route(s, RTE_IPV4(100u, 64, 0, 0), 10, 1);
	snapshot_add_route(s, 0, 0, 2);
	snapshot_add_route(s, RTE_IPV4(100u, 64, 0, 1), 32, 3);
	snapshot_add_route(s, RTE_IPV4(192u, 0, 2, 1), 32, 4);
	add_pool_routes(s, setup, 5);
}

static struct nat_policy *add_policy(
	struct world *world, const struct world_setup *setup, unsigned slot)
{
	struct pool_range range = {.first = setup->pool_first, .last = setup->pool_last};
	struct nat_policy *policy = calloc(1, sizeof(*policy));
	struct pool *pool;
	uint32_t size;

	need(policy, "policy");
	pool = pool_new(&(struct pool_setup){
		.range = &range,
		.ranges = 1,
		.reserved = setup->reserved,
		.n_reserved = setup->n_reserved,
		.block_bits = setup->block_bits,
		.workers = setup->workers,
		.fixed = setup->fixed,
	});
	need(pool, "pool");
	size = portblk_size(pool, setup->size.blocks);
	*policy = (struct nat_policy){
		.instance_id = slot + 1,
		.instance = (uint16_t)slot,
		.policy_id = 1,
		.behaviour = setup->behaviour,
		.hairpinning = setup->hairpinning,
		.mss = setup->mss,
		.fragments = setup->fragments,
		.protocol = {true, true, true},
		.max_blocks = (uint8_t)setup->max_blocks,
		.port_limit = {UINT32_MAX, UINT32_MAX, UINT32_MAX},
		.port_limit_all = UINT32_MAX,
		.answer_syns = true,
		.mapping_sessions = UINT16_MAX,
		.subscriber_sessions = UINT32_MAX,
		.hold_down_max = UINT32_MAX,
		.matches = 1,
		.timers = setup->timers.udp ? setup->timers : default_timers(),
		.pool = pool,
	};
	policy->siblings[slot / 64] = bit(slot % 64);
	policy->match = calloc(1, sizeof(*policy->match));
	policy->share = calloc(setup->workers, sizeof(struct portblk *));
	need(policy->match, "subscriber match");
	need(policy->share, "pool shares");
	ipprefix_parse("100.64.0.0/10", policy->match, NULL);
	for (unsigned i = 0; i < setup->workers; i++) {
		policy->share[i] = portblk_new(pool, i, size);
		need(policy->share[i], "pool share");
	}
	snapshot_add_policy(world->snapshot, slot, policy);
	return policy;
}

struct nat_policy *world_policy(struct world *world, const struct world_setup *setup, unsigned slot)
{
	struct nat_policy *policy = add_policy(world, setup, slot);
	struct snapshot *s = world->snapshot;

	if (s->nexthops == world->hops) {
		fprintf(stderr, "world: no room for next hops\n");
		exit(1);
	}
	s->nexthop[s->nexthops] = (struct nexthop){.kind = NEXTHOP_POOL,
		.policy = (uint8_t)slot,
		.first = setup->pool_first,
		.mtu = UINT16_MAX};
	add_pool_routes(s, setup, s->nexthops++);
	for (unsigned i = 0; i < setup->workers; i++) {
		struct worker *w = world->dataplane.worker[i];

		nat_reconcile(&w->nat, i, w->now);
	}
	return policy;
}

static void add_statics(struct world *world, const struct world_setup *setup)
{
	struct static_table *t = &world->snapshot->statics;
	struct nat_policy *policy = world->snapshot->policy[0];
	uint64_t entries = (uint64_t)world->pool->addresses * pool_blocks_an_address(world->pool);

	if (!setup->n_statics)
		return;
	t->count = setup->n_statics;
	t->by_inside = calloc(t->count, sizeof(*t->by_inside));
	t->by_outside = calloc(t->count, sizeof(*t->by_outside));
	policy->static_blocks = calloc((entries + 63) / 64, 8);
	need(t->by_inside, "static mappings");
	need(t->by_outside, "static mappings");
	need(policy->static_blocks, "static blocks");
	for (unsigned i = 0; i < t->count; i++) {
		const struct static_mapping *m = &setup->statics[i];
		uint32_t number = pool_number(world->pool, rte_be_to_cpu_32(m->outside));

		t->by_inside[i] = t->by_outside[i] = *m;
		if (number == UINT32_MAX)
			continue; // none of the pool's
		for (uint32_t p = 0; p <= m->ports; p++) {
			uint32_t entry =
				pool_index(world->pool, number, (uint16_t)(m->outside_lower + p));

			policy->static_blocks[entry / 64] |= bit(entry % 64);
		}
	}
}

struct world *world_new(const struct world_setup *setup, uint32_t now)
{
	struct world *world = calloc(1, sizeof(*world));
	struct worker_size size = {
		.nat = setup->size, .datagrams = setup->datagrams, .tunnelled = setup->tunnelled};
	struct dataplane *d;

	need(world, "world");
	d = &world->dataplane;
	world->rcu = rcu_new(setup->threads ? setup->workers : 0);
	need(world->rcu, "RCU");
	world->acl = acl_new(setup->rules, setup->workers, world->rcu);
	world->neighbours = neighbour_table_new(64, world->rcu);
	world->mbufs = rte_pktmbuf_pool_create("world", setup->mbufs, 0,
		RTE_ALIGN_CEIL(sizeof(struct handover), RTE_MBUF_PRIV_ALIGN),
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	world->snapshot = calloc(1, sizeof(*world->snapshot));
	need(world->acl, "ACL");
	need(world->neighbours, "neighbours");
	need(world->mbufs, "mbufs");
	need(world->snapshot, "snapshot");
	world->snapshot->generation = 1;
	world->snapshot->ifaces = 2;
	world->snapshot->ports = 2;
	add_iface(world->snapshot, WORLD_INSIDE, setup, "inside", REALM_INTERNAL,
		RTE_BE32(RTE_IPV4(100u, 64, 0, 1)));
	add_iface(world->snapshot, WORLD_OUTSIDE, setup, "outside", REALM_EXTERNAL,
		RTE_BE32(RTE_IPV4(192u, 0, 2, 1)));
	add_routes(world, setup);
	world->pool = add_policy(world, setup, 0)->pool;
	add_statics(world, setup);
	d->workers = setup->workers;
	d->acl = world->acl;
	d->neighbours = world->neighbours;
	d->rcu = world->rcu;
	d->mbufs = world->mbufs;
	d->icmp_rate = 1000;
	d->held_syns = 64;
	d->reassembly_ticks = 60 * TICKS_A_SECOND;
	d->ports = 2;
	// the devices of this world do not exist: no queue of theirs is ever polled
	d->port[0].queues = d->port[1].queues = (uint16_t)(setup->workers > 1 ? setup->workers : 2);
	atomic_store(&d->snapshot, world->snapshot);
	for (unsigned i = 0; i < setup->workers; i++) {
		d->worker[i] = worker_new(d, i, &size, now);
		need(d->worker[i], "worker");
	}
	for (unsigned i = 0; i < setup->workers; i++)
		worker_turn(d->worker[i], now);
	return world;
}

static void free_softwires(struct world *world)
{
	for (unsigned i = 0; i < world->snapshot->softwires; i++) {
		struct softwire_state *state = world->snapshot->softwire[i].state;

		binding_table_free(state->bindings);
		free(state->stats);
		free(state->br);
		free(state);
	}
}

void world_free(struct world *world)
{
	free_softwires(world);
	rcu_barrier(world->rcu);
	for (unsigned i = 0; i < world->dataplane.workers; i++)
		worker_free(world->dataplane.worker[i]);
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		struct nat_policy *policy = world->snapshot->policy[slot];

		if (!policy)
			continue;
		for (unsigned i = 0; i < world->dataplane.workers; i++)
			portblk_free(policy->share[i]);
		pool_free(policy->pool);
	}
	snapshot_free(world->snapshot);
	neighbour_table_free(world->neighbours);
	acl_free(world->acl);
	rcu_free(world->rcu);
	rte_mempool_free(world->mbufs);
	free(world);
}

struct rte_mbuf *world_frame(struct world *world, unsigned iface, const void *ip, uint16_t length)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(world->mbufs);
	struct rte_ether_hdr *ether;

	need(m, "packet");
	ether = (struct rte_ether_hdr *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*ether) + length));
	need(ether, "packet data");
	ether->dst_addr = box_mac[iface];
	ether->src_addr = peer_mac[iface];
	ether->ether_type = length && *(const uint8_t *)ip >> 4 == 6
		? RTE_BE16(RTE_ETHER_TYPE_IPV6)
		: RTE_BE16(RTE_ETHER_TYPE_IPV4);
	memcpy(ether + 1, ip, length);
	return m;
}

void world_receive(struct world *world, unsigned iface, struct rte_mbuf *mbuf)
{
	struct worker *w = world->dataplane.worker[0];

	w->burst.n = 1;
	w->burst.mbuf[0] = mbuf;
	pipeline_run(w, &w->burst, iface);
}

// The packets in the rings of one worker. Returns whether there were any.
static bool run_rings(struct worker *w)
{
	struct burst *b = &w->burst;
	bool any = false;

	for (unsigned from = 0; from < w->dataplane->workers; from++) {
		if (!w->from[from])
			continue;
		b->n = rte_ring_sc_dequeue_burst(w->from[from], (void **)b->mbuf, BURST_MAX, NULL);
		if (b->n) {
			pipeline_resume(w, b);
			any = true;
		}
	}
	return any;
}

void world_carry(struct world *world, unsigned worker, unsigned iface, struct rte_mbuf *mbuf)
{
	struct dataplane *d = &world->dataplane;
	struct worker *w = d->worker[worker];
	bool any;

	w->burst.n = 1;
	w->burst.mbuf[0] = mbuf;
	pipeline_run(w, &w->burst, iface);
	do {
		any = false;
		for (unsigned i = 0; i < d->workers; i++)
			any |= run_rings(d->worker[i]);
	} while (any);
}

void world_tell(struct world *world, unsigned worker, const struct msg *msg)
{
	struct worker *w = world->dataplane.worker[worker];

	if (channel_tell(&w->channel, msg) < 0) {
		fprintf(stderr, "world: worker %u does not listen\n", worker);
		exit(1);
	}
	inbox_run(w);
}

void world_hear(struct world *world)
{
	bool any;

	do {
		any = false;
		for (unsigned i = 0; i < world->dataplane.workers; i++) {
			struct msg msg, answer;
			int worker;

			if (!channel_hear(&world->dataplane.worker[i]->channel, &msg, 1))
				continue;
			any = true;
			if (msg.type == MSG_NEIGHBOUR_WANTED)
				rte_pktmbuf_free(msg.wanted.mbuf);
			if (msg.type != MSG_BLOCKS_WANTED && msg.type != MSG_BLOCKS_GIVEN)
				continue;
			worker = moves_answer(world->snapshot, &msg, &answer);
			if (worker >= 0)
				world_tell(world, (unsigned)worker, &answer);
		}
	} while (any);
}

void world_pass(struct world *world, uint32_t now)
{
	for (unsigned i = 0; i < world->dataplane.workers; i++) {
		struct worker *w = world->dataplane.worker[i];

		w->now = now;
		while (nat_expire(&w->nat, now, 64) || defrag_expire(w, now, 64) ||
			reassemble_expire(w, now, 64))
			;
		world_hear(world);
	}
}

uint64_t world_verdicts(const struct world *world, enum verdict verdict)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < world->dataplane.workers; i++)
		total += world->dataplane.worker[i]->stats.verdict[verdict];
	return total;
}

uint64_t world_received(const struct world *world)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < world->dataplane.workers; i++)
		total += world->dataplane.worker[i]->stats.received;
	return total;
}

struct rte_mbuf *world_sent(struct world *world, unsigned worker, unsigned iface)
{
	struct transmit *t = &world->dataplane.worker[worker]->transmit[iface];
	struct rte_mbuf *m;

	if (!t->n)
		return NULL;
	m = t->mbuf[0];
	t->n--;
	memmove(t->mbuf, t->mbuf + 1, t->n * sizeof(t->mbuf[0]));
	memmove(t->verdict, t->verdict + 1, t->n);
	return m;
}
