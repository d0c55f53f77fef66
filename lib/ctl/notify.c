// SPDX-License-Identifier: BSD-3-Clause

// What is watched is one number in percent or a count, and its level: low, between the thresholds, or high.
// A notification tells that the level has become low or high; the level told last is remembered, so that
// what happens while notify-interval has not passed yet is told afterwards, if it is still so.

#include "ctl/notify.h"

#include "base/log.h"
#include "ctl/commands.h"
#include "msg/msg.h"

#include <stdlib.h>

#define KEPT    256
#define PAUSE_S 10 // between two of the box itself
#define POLL_MS 1000

enum subject { POOL, SUBSCRIBERS, ADDRESSES, PORTS, B4_CHANGE, REASSEMBLY };

static const char *const leaf_of[] = {
	[POOL] = "notify-pool-threshold",
	[SUBSCRIBERS] = "notify-subscribers-threshold",
	[ADDRESSES] = "notify-addresses-threshold",
	[PORTS] = "notify-ports-threshold",
};

static const char *const text_of[] = {
	[POOL] = "use of the pool",
	[SUBSCRIBERS] = "active subscribers",
	[ADDRESSES] = "use of the outside addresses",
	[PORTS] = "use of the port mappings",
};

enum level { LEVEL_LOW, LEVEL_BETWEEN, LEVEL_HIGH };

// What a notification is about; policy and pool for POOL only.
struct about {
	enum subject subject;
	uint32_t instance;
	uint32_t policy;
	uint32_t pool;
};

struct watched {
	struct about about;
	enum level told;
	int64_t quiet_until;
};

struct raised {
	struct about about;
	uint32_t threshold;
	struct ipaddr b4; // for B4_CHANGE
	int64_t at;
};

struct notifier {
	const struct ctl_source *source;
	int64_t poll_at;
	unsigned count;
	struct watched *watched;
	uint64_t total; // ever raised
	struct raised raised[KEPT];
};

struct notifier *notifier_new(const struct ctl_source *source)
{
	struct notifier *n = calloc(1, sizeof(*n));

	if (n)
		n->source = source;
	return n;
}

void notifier_free(struct notifier *n)
{
	if (!n)
		return;
	free(n->watched);
	free(n);
}

static bool same(const struct about *a, const struct about *b)
{
	return a->subject == b->subject && a->instance == b->instance && a->policy == b->policy &&
		a->pool == b->pool;
}

// What is known about a subject, made if need be. Returns NULL if memory runs out.
static struct watched *watched_of(struct notifier *n, const struct about *about)
{
	struct watched *more;

	for (unsigned i = 0; i < n->count; i++) {
		if (same(&n->watched[i].about, about))
			return &n->watched[i];
	}
	more = reallocarray(n->watched, n->count + 1, sizeof(*more));
	if (!more)
		return NULL;
	n->watched = more;
	n->watched[n->count] = (struct watched){.about = *about};
	return &n->watched[n->count++];
}

static void raise_event(
	struct notifier *n, const struct about *about, uint32_t threshold, bool high, int64_t now)
{
	const char *unit = about->subject == SUBSCRIBERS ? "" : " %";

	n->raised[n->total++ % KEPT] =
		(struct raised){.about = *about, .threshold = threshold, .at = now};
	if (about->subject == REASSEMBLY)
		log_notice("reassembly", "%u%s of the room for fragments of tunnel packets in use",
			threshold, unit);
	else if (about->subject == POOL)
		log_notice("nat", "instance %u policy %u pool %u: %s has %s %u%s", about->instance,
			about->policy, about->pool, text_of[POOL],
			high ? "reached" : "fallen below", threshold, unit);
	else
		log_notice("nat", "instance %u: %s: %u%s reached", about->instance,
			text_of[about->subject], threshold, unit);
}

// `low` 0 and `high` UINT32_MAX are never crossed.
static void look(struct notifier *n, const struct about *about, uint64_t value, uint32_t low,
	uint32_t high, uint32_t interval_s, int64_t now)
{
	struct watched *w = watched_of(n, about);
	enum level level = value >= high ? LEVEL_HIGH : value < low ? LEVEL_LOW : LEVEL_BETWEEN;

	if (!w || level == w->told)
		return;
	// where there is no low threshold, to be low is to be no longer high
	if (level == LEVEL_BETWEEN) {
		if (w->told == LEVEL_HIGH || !low)
			w->told = LEVEL_BETWEEN;
		return;
	}
	if (now < w->quiet_until)
		return;
	w->told = level;
	w->quiet_until = now + (int64_t)interval_s * 1000;
	raise_event(n, about, level == LEVEL_HIGH ? high : low, level == LEVEL_HIGH, now);
}

static uint64_t percent(uint64_t part, uint64_t whole)
{
	return whole ? part * 100 / whole : 0;
}

static void look_at_pools(struct notifier *n, const struct snapshot *s, unsigned slot, int64_t now)
{
	const struct nat_policy *policy = s->policy[slot];
	const struct nat_pool_notify *want = &policy->pool_notify;

	for (unsigned i = 0; want->any && i < policy->prefixes; i++) {
		const struct nat_prefix *prefix = &policy->prefix[i];
		struct about about = {POOL, policy->instance_id, policy->policy_id, prefix->id};
		struct ctl_pool_use use;

		if (want->has_pool && want->pool != prefix->id)
			continue;
		n->source->pool_use(n->source->ctx, slot, prefix->number, prefix->addresses, &use);
		look(n, &about, percent(use.ports_used, use.ports_used + use.ports_free), want->low,
			want->high, want->interval_s, now);
	}
}

static void look_at_instance(struct notifier *n, const struct nat_policy *policy, int64_t now)
{
	const struct nat_instance_notify *want = &policy->instance_notify;
	struct about about = {SUBSCRIBERS, policy->instance_id, 0, 0};
	uint32_t most = policy->limits.mappings;
	struct ctl_load load;

	if (!want->any)
		return;
	ctl_load_instance(n->source, policy->instance_id, &load);
	look(n, &about, load.subscribers, 0, want->subscribers, want->interval_s, now);
	about.subject = ADDRESSES;
	look(n, &about, percent(load.use.addresses_used, load.use.addresses), 0, want->addresses,
		want->interval_s, now);
	about.subject = PORTS;
	if (most > n->source->max_mappings)
		most = n->source->max_mappings;
	look(n, &about, percent(load.mappings, most), 0, want->ports, want->interval_s, now);
}

// The fullest worker speaks for all.
static void look_at_reassembly(struct notifier *n, int64_t now)
{
	struct about about = {.subject = REASSEMBLY};
	uint32_t most = 0;

	for (unsigned i = 0; i < n->source->workers; i++) {
		struct ctl_worker worker;

		n->source->worker(n->source->ctx, i, &worker);
		most = worker.reassembly > most ? worker.reassembly : most;
	}
	look(n, &about, most, 0, n->source->reassembly_high, PAUSE_S, now);
}

void notifier_poll(struct notifier *n, int64_t now)
{
	const struct snapshot *s = n->source->snapshot(n->source->ctx);

	if (now < n->poll_at)
		return;
	n->poll_at = now + POLL_MS;
	look_at_reassembly(n, now);
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = s->policy[slot];

		if (!policy)
			continue;
		look_at_pools(n, s, slot, now);
		// the first of an instance's policies speaks for all
		if (nat_policy_is_first(policy, slot))
			look_at_instance(n, policy, now);
	}
}

// RFC 8512 has no interval for a policy; that of its instance serves.
static uint32_t interval_of(const struct notifier *n, uint32_t instance)
{
	const struct snapshot *s = n->source->snapshot(n->source->ctx);

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		if (s->policy[slot] && s->policy[slot]->instance_id == instance)
			return s->policy[slot]->instance_notify.interval_s;
	}
	return 0;
}

void notifier_b4_change(struct notifier *n, const struct msg *msg, int64_t now)
{
	struct about about = {
		.subject = B4_CHANGE,
		.instance = msg->b4_change.instance,
		.policy = msg->b4_change.policy,
	};
	struct watched *w = watched_of(n, &about);
	struct ipaddr b4 = ipaddr_v6(msg->b4_change.address);
	char text[IPADDR_TEXT];

	if (!w || now < w->quiet_until)
		return;
	w->quiet_until = now + (int64_t)interval_of(n, about.instance) * 1000;
	n->raised[n->total++ % KEPT] = (struct raised){.about = about, .b4 = b4, .at = now};
	log_notice("nat", "instance %u policy %u: the B4 at %s has changed its address too soon",
		about.instance, about.policy, ipaddr_format(&b4, text));
}

static json_t *event_reassembly(const struct raised *r)
{
	return json_pack(
		"{s:{s:I}}", "homeport:reassembly-event", "usage", (json_int_t)r->threshold);
}

static json_t *event_b4_change(const struct raised *r)
{
	return json_pack("{s:{s:I, s:I, s:o}}",
		"ietf-dslite:b4-address-change-limit-policy-violation", "id",
		(json_int_t)r->about.instance, "policy-id", (json_int_t)r->about.policy, "address",
		json_address(&r->b4));
}

static json_t *event(const struct raised *r)
{
	json_t *e;

	if (r->about.subject == B4_CHANGE)
		return event_b4_change(r);
	if (r->about.subject == REASSEMBLY)
		return event_reassembly(r);
	e = json_pack("{s:I}", "id", (json_int_t)r->about.instance);
	if (r->about.subject == POOL) {
		json_object_set_new(e, "policy-id", json_integer(r->about.policy));
		json_object_set_new(e, "pool-id", json_integer(r->about.pool));
	}
	json_object_set_new(e, leaf_of[r->about.subject], json_integer(r->threshold));
	return json_pack("{s:o}",
		r->about.subject == POOL ? "ietf-nat:nat-pool-event"
					 : "ietf-nat:nat-instance-event",
		e);
}

json_t *notifier_list(const struct notifier *n)
{
	json_t *list = json_array();

	for (uint64_t i = n->total > KEPT ? n->total - KEPT : 0; i < n->total; i++) {
		const struct raised *r = &n->raised[i % KEPT];

		json_array_append_new(list,
			json_pack("{s:o, s:o, s:o}", "number", json_number64(i + 1), "time",
				json_time(r->at), "event", event(r)));
	}
	return list;
}
