// SPDX-License-Identifier: BSD-3-Clause

// Configurations come in force here: built, published to the workers and the control modules, and the one
// before is freed when the last worker has let it go.

#include "base/clock.h"

#include "box.h"

#include <systemd/sd-daemon.h>

#include <stdio.h>
#include <stdlib.h>

static void report(void *ctx, const char *text)
{
	(void)ctx;
	log_error("conf", "%s", text);
}

// Mapping rules carry the marks of their subscribers; those of a configuration that comes in force have none yet.
static void mark_rules(struct box *box)
{
	const struct snapshot *s = box->snapshot;

	softwire_unmark_rules(s->softwire, s->softwires);
	for (uint32_t slot = 0; slot < acl_size(box->acl); slot++) {
		const struct acl_rule *rule = acl_get(box->acl, slot);

		if (rule && rule->subscriber.instance == SUBKEY_SOFTWIRE &&
			acl_is_first(box->acl, slot))
			softwire_mark_rule(s->softwire, s->mapdom, &rule->subscriber, true);
	}
}

static void on_ended(
	void *ctx, const struct softwire *softwire, const struct binding_entry *binding)
{
	struct box *box = ctx;

	resolve_table_binding_ended(box->resolve, softwire, binding);
}

// All bindings of border relays that are gone have ended.
static void end_tables(struct box *box, const struct snapshot *old, const struct snapshot *next)
{
	struct binding_entry binding;

	for (unsigned i = 0; old && i < old->softwires; i++) {
		const struct softwire_state *state = old->softwire[i].state;
		bool stays = i < next->softwires && next->softwire[i].state == state;

		for (uint32_t cursor = 0; state && !stays && state->bindings &&
			binding_walk(state->bindings, &cursor, &binding);)
			resolve_table_binding_ended(box->resolve, &old->softwire[i], &binding);
	}
}

// Tells everybody about a snapshot. The order matters to nobody: packets that meet an unknown neighbour
// wait, and block events of pools that are gone are ignored.
static int publish(struct box *box, struct snapshot *snapshot, struct err *err)
{
	const struct snapshot *old = box->snapshot;

	box->snapshot = snapshot;
	mark_rules(box);
	atomic_store_explicit(&box->dataplane.snapshot, snapshot, memory_order_release);
	conf_commit(snapshot, on_ended, box);
	end_tables(box, old, snapshot);
	record_adopt(box, old);
	if (resolve_table_adopt(box->resolve, snapshot) < 0)
		return err_set(err, "no memory for the table of port blocks");
	return 0;
}

int reload_neighbours(struct box *box, struct err *err)
{
	if (neigh_adopt(box->neigh, box->snapshot) < 0)
		return err_set(err,
			"/homeport:homeport/platform/max-neighbours: the neighbour table is full");
	return 0;
}

// Ports that were in use until a moment ago are not handed on by a pool that is new (RFC 6888 REQ-8).
static void rest_ports(void *ctx, unsigned slot, const struct block_grant *g, int64_t until)
{
	const struct snapshot *snapshot = ctx;
	const struct nat_policy *policy = snapshot->policy[slot];
	const struct pool *pool = policy->pool;
	uint32_t address = pool_number(pool, rte_be_to_cpu_32(g->outside));
	uint32_t last = pool_index(pool, address, g->last_port);
	uint32_t ticks = (uint32_t)((until - clock_unix_ms()) * TICKS_A_SECOND / 1000 + 1);

	for (uint32_t i = pool_index(pool, address, g->first_port); i <= last; i++)
		portblk_rest(policy->share[pool_entry_worker(pool_entry(pool, i))], i,
			clock_tick() + ticks);
}

static void rest_new_pools(struct box *box, struct snapshot *snapshot)
{
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = snapshot->policy[slot];
		const struct nat_policy *was = box->snapshot ? box->snapshot->policy[slot] : NULL;

		if (!policy || !policy->hold_down_at_start || (was && was->pool == policy->pool))
			continue;
		for (unsigned i = 0; i < box->dataplane.workers; i++)
			policy->share[i]->closed_until = clock_tick() + policy->timers.hold_down;
	}
	resolve_table_resting(box->resolve, snapshot, rest_ports, snapshot);
}

int reload_first(struct box *box, struct err *err)
{
	struct snapshot *snapshot;

	box->build.generation = ++box->generation;
	snapshot = conf_build(box->config, &box->build, err);
	if (!snapshot)
		return -1;
	rest_new_pools(box, snapshot);
	return publish(box, snapshot, err);
}

static void try_reload(struct box *box)
{
	struct config *next = conf_load(box->schema, box->args->config, report, NULL);
	struct config *old = box->config;
	struct snapshot *snapshot;
	struct err err;

	if (!next)
		return;
	if (conf_can_replace(old, next, &err) < 0)
		goto fail;
	if (upstreams_check(next, report, NULL) || homes_check(next, report, NULL)) {
		err_set(&err, "nothing was changed");
		goto fail;
	}
	box->build.old = box->snapshot;
	box->build.generation = ++box->generation;
	snapshot = conf_build(next, &box->build, &err);
	if (!snapshot)
		goto fail;
	rest_new_pools(box, snapshot);
	box->retired = box->snapshot;
	box->config = next;
	if (publish(box, snapshot, &err) < 0 || reload_neighbours(box, &err) < 0)
		log_error("conf", "%s", err.text);
	if (host_adopt(box->host, snapshot, &err) < 0)
		log_error("conf", "%s", err.text);
	if (homes_apply(box, next, &err) < 0)
		log_error("conf", "%s", err.text);
	if (measure_apply(box, old, next, &err) < 0)
		log_error("conf", "%s", err.text);
	upstreams_apply(box, old, next);
	conf_free(old);
	log_notice("conf", "%s is in force", box->args->config);
	return;
fail:
	log_error("conf", "%s", err.text);
	conf_free(next);
}

void reload(struct box *box)
{
	if (box->retired) {
		box->reload_again = true;
		return;
	}
	sd_notify(0, "RELOADING=1");
	try_reload(box);
	sd_notify(0, "READY=1");
}

void reload_poll(struct box *box)
{
	if (!box->retired)
		return;
	for (unsigned i = 0; i < box->dataplane.workers; i++) {
		struct worker *w = box->dataplane.worker[i];

		if (atomic_load_explicit(&w->generation, memory_order_acquire) !=
			box->snapshot->generation)
			return;
	}
	conf_release(box->retired, box->snapshot, &box->build);
	box->retired = NULL;
	if (box->reload_again) {
		box->reload_again = false;
		reload(box);
	}
}
