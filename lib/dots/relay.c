// SPDX-License-Identifier: BSD-3-Clause

#include "dots/relay.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/home.h"
#include "dots/mitigation.h"

#include <stdlib.h>
#include <string.h>

// Questions about mappings for one subscriber: each waits for a worker.
#define LOOKUPS_MAX 16

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

// ------------------------------------------------------------------ what a home is asked

// The inside port behind one outside port of a suspect, by one protocol; -1 if it is not known.
static int inside_port(
	const struct relay *relay, const struct holder *holder, uint16_t port, uint8_t protocol)
{
	struct holder found[2];
	struct resolve_req req = {
		.outside = ipprefix_make(&holder->outside, ipaddr_bits(&holder->outside)),
		.lower = port,
		.upper = port,
		.protocol = protocol,
		.with_mapping = true,
	};
	struct resolve_answer answer = {.holder = found, .room = ARRAY_LEN(found)};

	if (resolve_outside(relay->resolver, &req, &answer) < 0)
		return -1;
	for (unsigned i = 0; i < answer.count && i < answer.room; i++) {
		if (found[i].mapped && subkey_equal(&found[i].subscriber, &holder->subscriber))
			return found[i].inside_port;
	}
	return -1;
}

// Adds a port to those named; each at most once.
static void add_port(struct scope *scope, uint16_t port)
{
	for (unsigned i = 0; i < scope->source_ports; i++) {
		if (scope->source_port[i].lower == port)
			return;
	}
	scope->source_port[scope->source_ports++] = (struct port_range){port, port};
}

// The inside ports that stand for the ports reported, if each is one port with a live mapping; else
// none: the address alone names the subscriber, whose home sees all of his ports.
static void find_ports(const struct relay *relay, const struct holder *holder,
	const struct scope *asked, struct scope *scope)
{
	unsigned lookups = 0;

	scope->source_port = calloc(LOOKUPS_MAX, sizeof(*scope->source_port));
	if (!scope->source_port)
		return;
	for (unsigned i = 0; i < asked->source_ports; i++) {
		const struct port_range *range = &asked->source_port[i];
		bool found = false;

		// a port of somebody else's is not this home's affair
		if (range->upper < holder->lower || range->lower > holder->upper)
			continue;
		for (unsigned k = 0; k == 0 || k < asked->protocols; k++) {
			uint8_t protocol = asked->protocols ? asked->protocol[k] : 0;
			int port = range->lower == range->upper && lookups++ < LOOKUPS_MAX
				? inside_port(relay, holder, range->lower, protocol)
				: -1;

			if (port >= 0)
				add_port(scope, (uint16_t)port);
			found |= port >= 0;
		}
		if (!found) {
			scope->source_ports = 0;
			break;
		}
	}
	if (!scope->source_ports) {
		free(scope->source_port);
		scope->source_port = NULL;
	}
}

static void *copy(const void *from, size_t size, unsigned n)
{
	void *to = n ? malloc(size * n) : NULL;

	if (to)
		memcpy(to, from, size * n);
	return to;
}

// Native IPv6 looks the same inside: of the sources reported those of the home that `scope` has as its source,
// and the ports.
static bool keep_sources(const struct scope *asked, struct scope *scope)
{
	struct ipprefix home = scope->source[0];

	free(scope->source);
	scope->sources = 0;
	scope->source = calloc(asked->sources, sizeof(*scope->source));
	scope->source_port =
		copy(asked->source_port, sizeof(*asked->source_port), asked->source_ports);
	scope->source_ports = asked->source_ports;
	if (!scope->source || (asked->source_ports && !scope->source_port)) {
		scope_free(scope);
		return false;
	}
	for (unsigned i = 0; i < asked->sources; i++) {
		const struct ipprefix *source = &asked->source[i];

		if (ipprefix_overlaps(source, &home))
			scope->source[scope->sources++] = source->len > home.len ? *source : home;
	}
	return true;
}

// NA-03: the target as the home knows it, and with it the protocol: what is ICMP outside is ICMPv6 to an IPv6
// host, whose types are others.
static void rename_targets(
	const struct relay *relay, const struct subkey *subscriber, struct scope *scope)
{
	bool renamed = false;

	for (unsigned i = 0; i < scope->targets; i++) {
		struct ipprefix inside;

		if (!resolve_inside_name(relay->resolver, subscriber, &scope->target[i], &inside))
			continue;
		scope->target[i] = inside;
		renamed = true;
	}
	if (!renamed)
		return;
	for (unsigned i = 0; i < scope->protocols; i++) {
		if (scope->protocol[i] == IPPROTO_ICMP)
			scope->protocol[i] = IPPROTO_ICMPV6;
	}
	scope->source_types = 0;
}

// NA-01: the subscriber's own address and ports in the place of the outside's. Names and aliases of
// the target mean nothing at home.
static bool make_scope(const struct relay *relay, const struct suspect *suspect,
	const struct scope *asked, struct scope *scope)
{
	struct ipaddr inside = {.family = suspect->holder.subscriber.family};

	memcpy(inside.bytes, suspect->holder.subscriber.addr, sizeof(inside.bytes));
	*scope = (struct scope){
		.target = calloc(asked->targets, sizeof(*asked->target)),
		.target_port =
			copy(asked->target_port, sizeof(*asked->target_port), asked->target_ports),
		.target_ports = asked->target_ports,
		.protocol = copy(asked->protocol, sizeof(*asked->protocol), asked->protocols),
		.protocols = asked->protocols,
		.source = malloc(sizeof(*scope->source)),
		.sources = 1,
		.source_type =
			copy(asked->source_type, sizeof(*asked->source_type), asked->source_types),
		.source_types = asked->source_types,
	};
	if (!scope->target || !scope->source || (asked->target_ports && !scope->target_port) ||
		(asked->protocols && !scope->protocol) ||
		(asked->source_types && !scope->source_type)) {
		scope_free(scope);
		return false;
	}
	// of each IP version that the sources found are of (RFC 9066 section 5.3.1)
	for (unsigned i = 0; i < asked->targets; i++) {
		if (asked->target[i].addr.family == 4 ? suspect->ipv4 : suspect->ipv6)
			scope->target[scope->targets++] = asked->target[i];
	}
	scope->source[0] = ipprefix_make(&inside, suspect->holder.subscriber.len);
	if (suspect->holder.subscriber.instance == SUBKEY_NATIVE)
		return keep_sources(asked, scope);
	rename_targets(relay, &suspect->holder.subscriber, scope);
	find_ports(relay, &suspect->holder, asked, scope);
	return true;
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
		!make_scope(relay, s, &m->scope, &scope))
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
