// SPDX-License-Identifier: BSD-3-Clause

#include "dots/relay.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/home.h"
#include "dots/inward.h"
#include "dots/mitigation.h"

#include <stdlib.h>
#include <string.h>

// One suspect of one mitigation, with his home.
struct relayed {
	struct relayed *next; // of the mitigation's bucket
	struct relay *relay;
	struct mitigation *mitigation;
	unsigned suspect;
	struct order *order; // NULL: the home has refused, and the order is gone
	struct timer timer;  // for the confirmation
	bool confirmed;      // at some time
	bool stepped_in;     // the box stops him
	bool legitimate;     // the home has refused, and calls the traffic legitimate
};

#define BUCKETS 4096u

struct relay {
	struct evloop *loop;
	struct homes *homes;
	struct resolver *resolver;
	uint64_t confirm_ns;
	struct delegate delegate;
	struct relay_counters counters;
	struct relayed *bucket[BUCKETS]; // by mitigation
};

static struct relayed **bucket_of(struct relay *relay, const struct mitigation *m)
{
	return &relay->bucket[((uintptr_t)m >> 6) * UINT64_C(0x9e3779b97f4a7c15) >> 32 &
		(BUCKETS - 1)];
}

// ------------------------------------------------------------------ one suspect

static bool box_may(const struct relayed *r)
{
	return r->mitigation->owner->policy.relay == RELAY_HOME_THEN_BOX;
}

static void step_in(struct relayed *r, const char *why)
{
	timer_stop(r->relay->loop, &r->timer);
	if (r->stepped_in || !box_may(r))
		return;
	r->stepped_in = true;
	r->relay->counters.stepped_in++;
	log_notice("dots", "%s: mitigation %u: the box steps in for a home that %s",
		r->mitigation->owner->policy.name, r->mitigation->mid, why);
	mitigation_step_in(r->mitigation, r->suspect);
}

static void on_late(struct timer *timer)
{
	step_in(CONTAINER_OF(timer, struct relayed, timer), "has not confirmed in time");
}

static void wait_for_home(struct relayed *r)
{
	if (!timer_is_set(&r->timer) && !r->stepped_in && box_may(r))
		timer_set(r->relay->loop, &r->timer, clock_now() + r->relay->confirm_ns, on_late);
}

static bool is_in_force(const struct relayed *r)
{
	return r->order && r->order->home->state == HOME_READY &&
		order_state(r->order) == ORDER_CONFIRMED;
}

// Where homes alone decide, and all of them have decided so.
static bool all_call_it_legitimate(const struct relayed *r)
{
	const struct mitigation *m = r->mitigation;
	unsigned legitimate = 0;

	for (const struct relayed *other = *bucket_of(r->relay, m); other; other = other->next)
		legitimate += other->mitigation == m && other->legitimate;
	return m->owner->policy.relay == RELAY_HOME && legitimate == m->enforcement.suspects;
}

static void refused(struct relayed *r, struct order *order)
{
	r->order = NULL;
	r->legitimate = order->legitimate;
	r->relay->counters.refused++;
	home_withdraw(order);
	step_in(r, r->legitimate ? "calls the traffic legitimate" : "refuses");
	// the upstream is told (MR-33), and r is gone
	if (r->legitimate && all_call_it_legitimate(r))
		mitigation_reject(r->mitigation, CAUSE_LEGITIMATE_TRAFFIC);
}

static void on_changed(void *ctx, struct order *order)
{
	struct relayed *r = ctx;

	if (order_state(order) == ORDER_REFUSED) {
		refused(r, order);
	} else if (is_in_force(r)) {
		timer_stop(r->relay->loop, &r->timer);
		r->relay->counters.confirmed += !r->confirmed;
		r->confirmed = true;
	} else {
		wait_for_home(r);
	}
}

// ------------------------------------------------------------------ the delegate

static bool take(void *ctx, struct mitigation *m, unsigned suspect)
{
	struct relay *relay = ctx;
	const struct suspect *s = &m->enforcement.suspect[suspect];
	struct home *home = homes_of(relay->homes, &s->holder.subscriber);
	struct relayed *r, **bucket = bucket_of(relay, m);
	struct order *order;
	struct scope scope;

	if (m->owner->policy.relay == RELAY_BOX || !home ||
		(home->state != HOME_READY && m->owner->policy.relay == RELAY_HOME_THEN_BOX) ||
		!inward_scope(relay->resolver, s, &m->scope, &scope))
		return false;
	r = calloc(1, sizeof(*r));
	order = r ? order_new(&scope) : NULL;
	if (!order)
		goto fail;
	*r = (struct relayed){.relay = relay, .mitigation = m, .suspect = suspect, .order = order};
	order->ends = m->ends;
	order->hop_limit = m->hop_limit;
	order->changed = on_changed;
	order->ctx = r;
	if (home_order(home, order) < 0)
		goto fail;
	r->next = *bucket;
	*bucket = r;
	relay->counters.ordered++;
	wait_for_home(r);
	return true;
fail:
	scope_free(&scope);
	order_free(order);
	free(r);
	return false;
}

static void refresh(void *ctx, struct mitigation *m)
{
	for (struct relayed *r = *bucket_of(ctx, m); r; r = r->next) {
		if (r->mitigation == m && r->order)
			home_reorder(r->order, m->ends, m->attack_status);
	}
}

static void report(void *ctx, const struct mitigation *m, struct delegate_report *report)
{
	for (struct relayed *r = *bucket_of(ctx, m); r; r = r->next) {
		struct dropped dropped;

		if (r->mitigation != m)
			continue;
		report->pending |= !r->stepped_in && !is_in_force(r);
		if (!r->order)
			continue;
		dropped = order_dropped(r->order);
		report->hits.packets += dropped.packets;
		report->hits.bytes += dropped.bytes;
		report->mitigating |= order_mitigates(r->order);
	}
}

static void end(void *ctx, struct mitigation *m)
{
	struct relayed **link = bucket_of(ctx, m), *r;

	while ((r = *link)) {
		if (r->mitigation != m) {
			link = &r->next;
			continue;
		}
		*link = r->next;
		timer_stop(r->relay->loop, &r->timer);
		if (r->order)
			home_withdraw(r->order);
		free(r);
	}
}

struct relay *relay_new(
	struct evloop *loop, struct homes *homes, struct resolver *resolver, uint64_t confirm_ns)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay)
		return NULL;
	relay->loop = loop;
	relay->homes = homes;
	relay->resolver = resolver;
	relay->confirm_ns = confirm_ns;
	relay->delegate = (struct delegate){
		.take = take, .refresh = refresh, .report = report, .end = end, .ctx = relay};
	return relay;
}

void relay_free(struct relay *relay)
{
	free(relay);
}

void relay_set_confirm(struct relay *relay, uint64_t confirm_ns)
{
	relay->confirm_ns = confirm_ns;
}

const struct delegate *relay_delegate(const struct relay *relay)
{
	return &relay->delegate;
}

const struct relay_counters *relay_counters(const struct relay *relay)
{
	return &relay->counters;
}
