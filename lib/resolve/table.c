// SPDX-License-Identifier: BSD-3-Clause

// Keeping the grants: see grants.h.

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "resolve/grants.h"

#include <errno.h>
#include <stdlib.h>

// Makes room for twice as many live grants.
static int grow(struct resolve_table *t)
{
	uint32_t room = t->room ? t->room * 2 : 1024;
	struct block_grant *grant = reallocarray(t->grant, room + 1u, sizeof(*grant));
	uint32_t *list;

	if (!grant)
		return -ENOMEM;
	t->grant = grant;
	list = reallocarray(t->free, room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	t->free = list;
	for (uint32_t n = room; n > t->room; n--)
		t->free[t->free_count++] = n;
	t->room = room;
	return 0;
}

struct resolve_table *resolve_table_new(const struct resolve_env *env, struct err *err)
{
	struct resolve_table *t = calloc(1, sizeof(*t));
	int64_t retention_ms = (int64_t)env->retention_s * 1000;

	err_set(err, "out of memory");
	if (!t)
		return NULL;
	t->resolver = resolve_finder;
	t->env = *env;
	if (env->history_file) {
		t->store = store_open(env->history_file, env->history_file_size, retention_ms,
			clock_unix_ms(), err);
		if (!t->store)
			goto fail;
	}
	t->history = history_new(env->history_size, retention_ms, t->store);
	if (!t->history || grow(t) < 0)
		goto fail;
	return t;
fail:
	resolve_table_free(t);
	return NULL;
}

struct resolver *resolve_table_resolver(struct resolve_table *t)
{
	return &t->resolver;
}

static void end_grant(
	struct resolve_table *t, struct pool_grants *p, uint32_t *place, int64_t until)
{
	struct block_grant *g = &t->grant[*place];

	g->until = until;
	history_add(t->history, g);
	p->live[pool_number(p->pool, rte_be_to_cpu_32(g->outside))]--;
	t->free[t->free_count++] = *place;
	*place = 0;
}

static uint32_t entries(const struct pool *pool)
{
	return pool->addresses * pool_blocks_an_address(pool);
}

// Ends all grants of a pool that goes.
static void end_grants(struct resolve_table *t, struct pool_grants *p, int64_t now)
{
	for (uint32_t i = 0; p->grant && i < entries(p->pool); i++) {
		if (p->grant[i])
			end_grant(t, p, &p->grant[i], now);
	}
	free(p->grant);
	free(p->live);
	*p = (struct pool_grants){0};
}

void resolve_table_free(struct resolve_table *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < SNAPSHOT_MAX_POLICIES; i++)
		end_grants(t, &t->pools[i], clock_unix_ms());
	history_free(t->history);
	store_close(t->store);
	free(t->free);
	free(t->grant);
	free(t);
}

void resolve_table_use(const struct resolve_table *t, unsigned slot, uint32_t number,
	uint32_t addresses, struct resolve_use *use)
{
	const struct pool_grants *p = &t->pools[slot];

	*use = (struct resolve_use){.addresses = addresses};
	for (uint32_t i = number; p->pool && i < number + addresses; i++) {
		use->addresses_used += p->live[i] != 0;
		use->blocks_used += p->live[i];
	}
}

void resolve_table_poll(struct resolve_table *t)
{
	if (t->store)
		store_poll(t->store, clock_unix_ms());
}

// Who is told about grants that rest, and for which pools.
struct resting {
	const struct resolve_table *table;
	const struct snapshot *snapshot;
	int64_t now;
	void (*fn)(void *ctx, unsigned slot, const struct block_grant *grant, int64_t until);
	void *ctx;
};

static void tell_resting(void *ctx, const struct block_grant *g)
{
	const struct resting *r = ctx;
	int64_t ended = g->until && g->until < r->now ? g->until : r->now;

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = r->snapshot->policy[slot];

		if (!policy || policy->pool == r->table->pools[slot].pool ||
			pool_number(policy->pool, rte_be_to_cpu_32(g->outside)) == UINT32_MAX)
			continue;
		if (ended + grant_hold_down_ms(policy) > r->now)
			r->fn(r->ctx, slot, g, ended + grant_hold_down_ms(policy));
	}
}

void resolve_table_resting(struct resolve_table *t, const struct snapshot *snapshot,
	void (*fn)(void *ctx, unsigned slot, const struct block_grant *grant, int64_t until),
	void *ctx)
{
	struct resting r = {t, snapshot, clock_unix_ms(), fn, ctx};
	int64_t longest = 0;
	bool fresh = false;

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = snapshot->policy[slot];

		if (!policy || policy->pool == t->pools[slot].pool)
			continue;
		fresh = true;
		if (grant_hold_down_ms(policy) > longest)
			longest = grant_hold_down_ms(policy);
	}
	if (!fresh)
		return;
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct pool_grants *p = &t->pools[slot];

		for (uint32_t i = 0; p->grant && i < entries(p->pool); i++) {
			if (p->grant[i])
				tell_resting(&r, &t->grant[p->grant[i]]);
		}
	}
	history_recent(t->history, r.now - longest, tell_resting, &r);
}

int resolve_table_adopt(struct resolve_table *t, const struct snapshot *snapshot)
{
	int64_t now = clock_unix_ms();

	t->snapshot = snapshot;
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		struct pool_grants *p = &t->pools[slot];
		const struct nat_policy *policy = snapshot->policy[slot];
		const struct pool *pool = policy ? policy->pool : NULL;

		if (p->pool == pool)
			continue;
		end_grants(t, p, now);
		p->pool = pool;
		if (!pool)
			continue;
		p->grant = calloc(entries(pool), sizeof(*p->grant));
		p->live = calloc(pool->addresses, sizeof(*p->live));
		if (!p->grant || !p->live) {
			free(p->grant);
			free(p->live);
			p->grant = NULL;
			p->live = NULL;
			p->pool = NULL;
			return -ENOMEM;
		}
	}
	return 0;
}

void resolve_table_event(struct resolve_table *t, const struct msg_block *event)
{
	struct pool_grants *p = &t->pools[event->policy];
	int64_t at = clock_tick_unix_ms(event->tick);
	uint32_t number, *place;

	number = p->pool ? pool_number(p->pool, rte_be_to_cpu_32(event->outside)) : UINT32_MAX;
	// an event of a pool that has left the configuration since
	if (number == UINT32_MAX)
		return;
	place = &p->grant[pool_index(p->pool, number, event->first_port)];
	if (*place)
		end_grant(t, p, place, at);
	if (!event->granted)
		return;
	if (!t->free_count && grow(t) < 0) {
		log_error("resolve", "no memory to record a port block: it will not be found");
		return;
	}
	*place = t->free[--t->free_count];
	p->live[number]++;
	t->grant[*place] = (struct block_grant){
		.subscriber = event->subscriber,
		.instance_id = t->snapshot->policy[event->policy]->instance_id,
		.outside = event->outside,
		.first_port = event->first_port,
		.last_port = (uint16_t)(event->first_port + event->ports - 1),
		.from = at,
	};
	if (t->store)
		store_grant(t->store, &t->grant[*place]);
}

void resolve_table_binding_ended(struct resolve_table *t, const struct softwire *softwire,
	const struct binding_entry *binding)
{
	struct psid_geometry g = binding->geometry;
	struct block_grant grant = {
		.subscriber = softwire_subkey(softwire, binding->b4),
		.instance_id = SOFTWIRE_INSTANCE_ID,
		.outside = binding->ipv4,
		.from = (int64_t)binding->since * 1000,
		.until = clock_unix_ms(),
	};

	for (uint32_t i = 0; i < psid_ranges(g); i++) {
		grant.first_port = psid_range_first(g, binding->psid, i);
		grant.last_port = (uint16_t)(grant.first_port + psid_range_size(g) - 1);
		history_add(t->history, &grant);
	}
}
