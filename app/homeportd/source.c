// SPDX-License-Identifier: BSD-3-Clause

// What the control socket shows of the packet tower: sums over the workers' counters.

#include "base/bits.h"
#include "base/clock.h"
#include "dots/relay.h"

#include "box.h"

#include <string.h>

static const struct snapshot *get_snapshot(void *ctx)
{
	const struct box *box = ctx;

	return box->snapshot;
}

static void get_totals(void *ctx, struct ctl_totals *out)
{
	struct box *box = ctx;

	// packets that neighbours keep waiting are with the control thread until it has heard of them
	loop_hear(box);
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < box->dataplane.workers; i++) {
		const struct worker_stats *s = &box->dataplane.worker[i]->stats;

		out->received += stat_read(&s->received);
		out->icmp_errors_sent += stat_read(&s->icmp_errors_sent);
		out->icmp_errors_withheld += stat_read(&s->icmp_errors_withheld);
		out->syns_held += stat_read(&s->syns_held);
		out->syns_not_held += stat_read(&s->syns_not_held);
		out->resets_sent += stat_read(&s->resets_sent);
		out->steered += stat_read(&s->steered);
		out->copies += stat_read(&s->copies);
		out->copies_missed += stat_read(&s->copies_missed);
		for (unsigned v = 0; v < V_COUNT; v++)
			out->verdict[v] += stat_read(&s->verdict[v]);
	}
	out->verdict[V_NEIGHBOUR] += neigh_dropped(box->neigh);
	out->host = (struct ctl_host){
		.delivered = host_counters(box->host)->delivered,
		.refused = host_counters(box->host)->refused,
		.sent = host_counters(box->host)->sent,
		.unroutable = host_counters(box->host)->unroutable,
	};
}

// Whichever of its two bounds is nearer.
static uint32_t reassembly_use(const struct datagram_table *t)
{
	uint64_t packets = count_read(&t->used) * UINT64_C(100);
	uint64_t buffers = stat_read(&t->waiting) * 100;

	return (uint32_t)RTE_MAX(packets / t->size.datagrams, buffers / t->size.waiting);
}

// Port sets of a worker in all pools.
static uint32_t port_sets(const struct box *box, unsigned number)
{
	uint32_t sets = 0;

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = box->snapshot->policy[slot];

		if (policy)
			sets += count_read(&policy->share[number]->used);
	}
	return sets;
}

static void get_worker(void *ctx, unsigned number, struct ctl_worker *out)
{
	const struct box *box = ctx;
	const struct worker *w = box->dataplane.worker[number];

	*out = (struct ctl_worker){
		.mappings = count_read(&w->nat.bib.used),
		.sessions = count_read(&w->nat.sessions.used),
		.subscribers = count_read(&w->nat.subscribers.used),
		.port_sets = port_sets(box, number),
		.reassembly = reassembly_use(&w->tunnelled),
	};
	load_read(box, number, out);
}

static void get_iface(void *ctx, unsigned number, struct ctl_iface *out)
{
	const struct box *box = ctx;
	const struct iface *iface = &box->snapshot->iface[number];
	const struct port *port = &box->dataplane.port[iface->port];

	*out = (struct ctl_iface){
		.up = port_link_is_up(port),
		.mac = rte_is_zero_ether_addr(&iface->mac) ? port->mac : iface->mac,
		.speed_bps = port_speed_bps(port),
	};
	for (unsigned i = 0; i < box->dataplane.workers; i++) {
		const struct iface_stats *s = &box->dataplane.worker[i]->stats.iface[number];

		out->rx_packets += stat_read(&s->rx_packets);
		out->rx_bytes += stat_read(&s->rx_bytes);
		out->rx_multicast += stat_read(&s->rx_multicast);
		out->rx_drops += stat_read(&s->rx_drops);
		out->tx_packets += stat_read(&s->tx_packets);
		out->tx_bytes += stat_read(&s->tx_bytes);
		out->tx_drops += stat_read(&s->tx_drops);
	}
}

static enum ctl_neighbour get_neighbour(void *ctx, uint32_t entry)
{
	const struct box *box = ctx;

	switch (neigh_state(box->neigh, entry)) {
	case NEIGH_STATIC:
		return CTL_NEIGHBOUR_STATIC;
	case NEIGH_LEARNED:
		return CTL_NEIGHBOUR_LEARNED;
	default:
		return CTL_NEIGHBOUR_INCOMPLETE;
	}
}

static int walk(void *ctx, unsigned worker, enum walk_table table, uint32_t room, void *rows,
	uint32_t *cursor, uint32_t *count)
{
	struct msg msg = {
		.type = MSG_WALK,
		.walk = {.table = table, .cursor = *cursor, .room = room, .rows = rows},
	};

	if (loop_ask(ctx, worker, &msg) < 0)
		return -1;
	*cursor = msg.answer.cursor;
	*count = msg.answer.count;
	return 0;
}

static void get_load(void *ctx, unsigned slot, struct ctl_load *out)
{
	const struct box *box = ctx;
	const struct nat_policy *policy = box->snapshot->policy[slot];
	bool first = nat_policy_is_first(policy, slot);

	for (unsigned i = 0; i < box->dataplane.workers; i++) {
		const struct nat *nat = &box->dataplane.worker[i]->nat;

		out->subscribers += count_read(&nat->subscribers.count[slot]);
		// these are the instance's
		if (first)
			out->softwires += count_read(&nat->aliases.b4s.count[policy->instance]);
		for (enum l4 l4 = 0; l4 < L4_COUNT; l4++) {
			uint32_t count = count_read(&nat->bib.count[slot][l4]);

			out->by_protocol[l4] += count;
			out->mappings += count;
		}
	}
}

static void get_pool_use(
	void *ctx, unsigned slot, uint32_t number, uint32_t addresses, struct ctl_pool_use *out)
{
	const struct box *box = ctx;
	const struct pool *pool = box->snapshot->policy[slot]->pool;
	uint64_t size = pool_block_size(pool);
	// blocks with system ports are never granted, and fixed ports are no blocks
	uint32_t first = pool->fixed_end > POOL_FIRST_PORT ? pool->fixed_end : POOL_FIRST_PORT;
	uint64_t blocks = pool_blocks_an_address(pool) - div_round_up(first, size);
	struct resolve_use use;

	resolve_table_use(box->resolve, slot, number, addresses, &use);
	*out = (struct ctl_pool_use){
		.addresses = addresses,
		.addresses_used = use.addresses_used,
		.ports_used = use.blocks_used * size,
		.ports_free = (blocks * addresses - use.blocks_used) * size,
	};
}

static char *get_config(void *ctx)
{
	const struct box *box = ctx;

	return conf_print(box->config);
}

static int advance(void *ctx, uint64_t seconds)
{
	int rc = clock_advance(seconds * CLOCK_SECOND);

	if (rc == 0)
		loop_settle(ctx);
	return rc;
}

static uint64_t stepped_in(void *ctx)
{
	const struct box *box = ctx;

	return relay_counters(box->relay)->stepped_in;
}

void source_fill(struct box *box)
{
	box->source = (struct ctl_source){
		.ctx = box,
		.workers = box->dataplane.workers,
		.reassembly_high = box->config->platform.reassembly.notify_usage,
		.started = clock_unix_ms(),
		.max_mappings = box->config->platform.max_mappings,
		.notifier = box->notifier,
		.acl = box->acl,
		.dots = box->dots,
		.homes = box->homes,
		.expiry = box->expiry,
		.resolver = resolve_table_resolver(box->resolve),
		.neighbours = box->neighbours,
		.snapshot = get_snapshot,
		.totals = get_totals,
		.worker = get_worker,
		.iface = get_iface,
		.neighbour = get_neighbour,
		.stepped_in = stepped_in,
		.load = get_load,
		.pool_use = get_pool_use,
		.walk = walk,
		.config = get_config,
		.advance = advance,
	};
}
