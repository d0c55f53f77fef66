// SPDX-License-Identifier: BSD-3-Clause

// What is counted for an upstream and its clients, so that nobody has to walk over all mitigations, is what a walk over
// all of them would find, whatever happens to them and in whatever order.

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/rcu.h"
#include "dots/client.h"
#include "dots/mitigations.h"
#include "dots/status.h"

#include "table_resolver.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OWNERS      2
#define SUBSCRIBERS 6
#define MIDS        12
#define STEPS       6000

static struct table_resolver table;
static struct evloop *loop;
static struct rcu *rcu;
static struct enforcer enforcer;
static struct mitigations *all;
static struct owner owners[OWNERS];
static struct rand random_;
static unsigned events[EVENT_ENDED + 1];

static uint32_t below(uint32_t n)
{
	return rand_below(&random_, n);
}

// ------------------------------------------------------------------ the world

static bool take_all;
static unsigned looked_at;

// A home takes every third.
static bool take(void *, struct mitigation *, unsigned)
{
	return take_all || !below(3);
}

static void refresh(void *, struct mitigation *)
{
}

static void report(void *, const struct mitigation *, struct delegate_report *)
{
	looked_at++;
}

static void end(void *, struct mitigation *)
{
}

static const struct delegate delegate = {take, refresh, report, end, NULL};

static void on_event(void *, const struct mitigation *, enum mitigation_event event)
{
	events[event]++;
}

static int set_up(void **)
{
	static const char *const name[OWNERS] = {"one", "two"};
	char line[64];

	clock_hold();
	log_set_level(LOG_LEVEL_ERROR);
	rand_seed_fixed(&random_, 11);
	table_resolver_init(&table);
	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		snprintf(line, sizeof(line), "203.0.113.7:%u-%u=100.64.0.%u", 1024 + 64 * i,
			1024 + 64 * i + 63, i + 1);
		assert_int_equal(table_resolver_add(&table, line), 0);
	}
	loop = evloop_new();
	rcu = rcu_new(0);
	// little enough that some find no room
	enforcer = (struct enforcer){&table.resolver, acl_new(40, 1, rcu), &delegate};
	all = mitigations_new(loop, &enforcer);
	assert_non_null(all);
	mitigations_watch(all, on_event, NULL, NULL);
	memset(events, 0, sizeof(events));
	for (unsigned i = 0; i < OWNERS; i++) {
		owners[i] = (struct owner){.policy = {.name = name[i],
						   .max_subscribers = 4,
						   .max_mitigations = 30,
						   .terminating_time = 20,
						   .max_rules = i ? 12 : 0,
						   .max_affected = i ? 0 : 4,
						   .consent_time = 40}};
		owner_join(all, &owners[i]);
	}
	return 0;
}

static int tear_down(void **)
{
	mitigations_free(all);
	rcu_barrier(rcu);
	acl_free(enforcer.acl);
	rcu_free(rcu);
	evloop_free(loop);
	return 0;
}

// ------------------------------------------------------------------ what a walk finds

static bool is_counted(const struct subkey *seen, unsigned count, const struct subkey *key)
{
	for (unsigned i = 0; i < count; i++) {
		if (subkey_equal(&seen[i], key))
			return true;
	}
	return false;
}

static unsigned add_different(struct subkey *seen, unsigned count, const struct enforcement *e)
{
	for (unsigned i = 0; i < e->suspects; i++) {
		if (!is_counted(seen, count, &e->suspect[i].holder.subscriber))
			seen[count++] = e->suspect[i].holder.subscriber;
	}
	return count;
}

static void check_owner(const struct owner *o)
{
	unsigned mitigations = 0, rejected = 0, rules = 0, affected = 0, of_clients = 0;
	struct subkey seen[SUBSCRIBERS];

	for (const struct mitigation *m = mitigation_first(all); m; m = m->next) {
		if (m->owner != o)
			continue;
		mitigations++;
		rules += m->enforcement.slots;
		rejected += m->phase == PHASE_REJECTED;
		if (m->phase != PHASE_REJECTED)
			affected = add_different(seen, affected, &m->enforcement);
	}
	assert_int_equal(o->mitigations, mitigations);
	assert_int_equal(o->rejected, rejected);
	assert_int_equal(o->rules, rules);
	assert_int_equal(o->affected, affected);
	for (const struct mitigation *m = owner_first(o); m; m = owner_next(m)) {
		assert_ptr_equal(m->owner, o);
		assert_ptr_equal(client_find(all, o, m->cuid), m->client);
		assert_true(!m->after ||
			(m->after->place.number > m->place.number &&
				!strcmp(m->after->cuid, m->cuid)));
		of_clients++;
	}
	assert_int_equal(of_clients, mitigations);
	for (const struct client *c = o->clients; c; c = c->next) {
		mitigations -= c->mitigations;
		rejected -= c->rejected;
	}
	assert_int_equal(mitigations, 0);
	assert_int_equal(rejected, 0);
}

static void check(void)
{
	rcu_barrier(rcu);
	for (unsigned i = 0; i < OWNERS; i++)
		check_owner(&owners[i]);
	assert_int_equal(acl_count(enforcer.acl), owners[0].rules + owners[1].rules);
}

// ------------------------------------------------------------------ what happens

// Of one or two blocks, towards one of few targets.
static struct scope some_scope(void)
{
	unsigned first = below(SUBSCRIBERS), blocks = 1 + !below(3);
	struct scope s = {.target = calloc(1, sizeof(*s.target)),
		.source = calloc(1, sizeof(*s.source)),
		.source_port = calloc(1, sizeof(*s.source_port)),
		.targets = 1,
		.sources = 1,
		.source_ports = 1};

	*s.target = ipprefix_make(&(struct ipaddr){4, {198, 51, 100, (uint8_t)below(8)}}, 32);
	*s.source = ipprefix_make(&(struct ipaddr){4, {203, 0, 113, 7}}, 32);
	*s.source_port = (struct port_range){
		(uint16_t)(1024 + 64 * first), (uint16_t)(1024 + 64 * (first + blocks) - 1)};
	return s;
}

static const char *some_cuid(const struct owner *o)
{
	static const char *const cuid[OWNERS][2] = {{"a", "b"}, {"c", "d"}};

	return cuid[o - owners][below(2)];
}

static void ask(struct owner *o)
{
	struct mitigation_body body = {
		.scope = some_scope(), .has_lifetime = true, .lifetime = 10 + below(100)};
	struct put put = {.owner = o,
		.cuid = some_cuid(o),
		.mid = below(MIDS),
		.hop_limit = 15,
		.body = &body};
	struct mitigation *m;
	struct err err;

	o->policy.consent = below(2) ? CONSENT_ASK : CONSENT_AUTOMATIC;
	mitigation_put(all, &put, &m, &err);
	scope_free(&body.scope);
}

static void restore(struct owner *o)
{
	struct restored r = {.cuid = some_cuid(o),
		.mid = below(MIDS),
		.phase = (enum mitigation_phase)below(PHASE_REJECTED + 1),
		.scope = some_scope(),
		.suspect = calloc(2, sizeof(*r.suspect)),
		.suspects = 2,
		.lifetime = 100,
		.ends = clock_now() + 50 * CLOCK_SECOND,
		.verdict = clock_now() + 10 * CLOCK_SECOND,
		.terminating_time = 5};

	for (unsigned i = 0; i < 2; i++) {
		struct ipaddr inside = {4, {100, 64, 0, (uint8_t)(1 + below(SUBSCRIBERS))}};

		r.suspect[i].holder.subscriber = subkey_v4(ipaddr_be32(&inside), 0);
		r.suspect[i].ipv4 = true;
	}
	mitigation_restore(all, o, &r);
	scope_free(&r.scope);
	free(r.suspect);
}

static void step_in(struct mitigation *m)
{
	for (unsigned i = 0; i < m->enforcement.suspects; i++) {
		if (m->enforcement.suspect[i].delegated && m->phase == PHASE_IN_FORCE)
			mitigation_step_in(m, i);
	}
}

static struct mitigation *somebody(const struct owner *o)
{
	struct mitigation *m = owner_first(o);

	for (unsigned left = o->mitigations ? below(o->mitigations) : 0; left; left--)
		m = owner_next(m);
	return m;
}

static void pass(unsigned seconds)
{
	assert_int_equal(clock_advance(seconds * CLOCK_SECOND), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(evloop_turn(loop, 0), 0);
}

// For good, so that the loop has no timer but that of the rounds.
static void one_more(struct owner *o, uint32_t mid)
{
	struct mitigation_body body = {
		.scope = some_scope(), .has_lifetime = true, .lifetime = LIFETIME_INDEFINITE};
	struct put put = {.owner = o, .cuid = "a", .mid = mid, .hop_limit = 15, .body = &body};
	struct mitigation *m;
	struct err err;

	// no other has this target
	body.scope.target->addr = ipaddr_v4(mid + 1);
	assert_int_equal(mitigation_put(all, &put, &m, &err), PUT_CREATED);
	scope_free(&body.scope);
}

static void one_step(struct owner *o)
{
	struct mitigation *m = somebody(o);

	switch (below(12)) {
	case 0:
		pass(below(10));
		break;
	case 1:
		if (below(2))
			owner_suspend(all, o, "test");
		else
			owner_resume(all, o, "test");
		break;
	case 2:
		restore(o);
		break;
	case 3:
		if (m)
			consent_decide(m, below(3), "operator");
		break;
	case 4:
		if (m)
			mitigation_withdraw(m);
		break;
	case 5:
		if (m && !below(3))
			mitigation_reject(m, CAUSE_LEGITIMATE_TRAFFIC);
		break;
	case 6:
		if (m)
			step_in(m);
		break;
	case 7:
		if (m && !below(3))
			mitigation_end(m, STATUS_WITHDRAWN);
		break;
	default:
		ask(o);
	}
}

static void sums(void **)
{
	for (unsigned i = 0; i < STEPS; i++) {
		one_step(&owners[below(OWNERS)]);
		check();
	}
	for (unsigned i = 0; i < ARRAY_LEN(events); i++)
		assert_int_not_equal(events[i], 0); // or less was seen than was meant
}

// All of one goes, and nothing of the other.
static void one_leaves(void **)
{
	unsigned left;

	while (owners[0].mitigations < 4 || owners[1].mitigations < 4)
		ask(&owners[below(OWNERS)]);
	left = owners[1].mitigations;
	mitigations_drop(all, &owners[0]);
	check();
	assert_int_equal(owners[0].mitigations, 0);
	assert_null(owners[0].clients);
	assert_int_equal(owners[1].mitigations, left);
	assert_int_equal(events[EVENT_ENDED] >= 4, true);
}

// A client that goes and comes again has changed.
static void changes(void **)
{
	struct owner *o = &owners[1];
	struct mitigation *m;
	uint64_t before;

	while (!o->clients)
		ask(o);
	before = o->clients->changed;
	while ((m = owner_first(o)))
		mitigation_end(m, STATUS_WITHDRAWN);
	assert_null(o->clients);
	while (!o->clients)
		ask(o);
	assert_true(o->clients->changed > before);
	before = o->clients->changed;
	mitigation_set_status(o->clients->first, STATUS_STOPPED);
	assert_true(o->clients->changed > before);
	before = o->clients->changed;
	mitigation_set_status(o->clients->first, STATUS_STOPPED);
	assert_int_equal(o->clients->changed, before);
}

// An operator's word for one: its mid, of one upstream or of all.
static void by_mid(void **)
{
	struct mitigation *m;
	struct err err;

	owners[0].policy.consent = owners[1].policy.consent = CONSENT_AUTOMATIC;
	while (!mitigation_find(all, &owners[0], "a", 3) ||
		!mitigation_find(all, &owners[1], "d", 3))
		ask(&owners[below(OWNERS)]);
	for (unsigned mid = 0; mid < MIDS; mid++) {
		unsigned named = 0;

		for (m = mitigation_first(all); m; m = m->next)
			named += m->mid == mid;
		m = mitigation_named(all, NULL, mid, &err);
		assert_int_equal(m != NULL, named == 1);
		assert_true(!m || m->mid == mid);
		if (named != 1)
			assert_text_has(err.text, named ? "say which" : "no such mitigation");
	}
	assert_null(mitigation_named(all, "three", 3, &err));
}

// For good and in force; homes take them all.
static void take_many(struct owner *o, unsigned count)
{
	take_all = true;
	o->policy.max_mitigations = count + 1;
	o->policy.max_affected = 0;
	o->policy.consent = CONSENT_AUTOMATIC;
	for (uint32_t mid = 0; mid < count; mid++)
		one_more(o, mid);
}

// However many there are, the loop has its turns between them, each is looked at once a second, and it does not matter
// which of them end meanwhile.
static void a_round_in_steps(void **)
{
	struct owner *o = &owners[0];
	unsigned first;

	take_many(o, 1000);
	looked_at = 0;
	assert_int_equal(clock_advance(CLOCK_SECOND), 0);
	evloop_turn(loop, 0);
	first = looked_at;
	assert_in_range(first, 1, 500);
	// the next one, and one that has had its turn
	mitigation_end(all->polled, STATUS_WITHDRAWN);
	mitigation_end(mitigation_first(all), STATUS_WITHDRAWN);
	looked_at = first;
	for (unsigned turns = 0; turns < 50; turns++)
		evloop_turn(loop, 0);
	assert_int_equal(looked_at, 999);
	looked_at = 0;
	pass(1);
	for (unsigned turns = 0; turns < 50; turns++)
		evloop_turn(loop, 0);
	assert_int_equal(looked_at, 998);
	// and none when all have gone
	while (mitigation_first(all))
		mitigation_end(mitigation_first(all), STATUS_WITHDRAWN);
	pass(1);
	assert_false(timer_is_set(&all->poll));
	take_all = false;
	check();
}

// What one answer tells of has an end, and what is beyond can be asked for one by one.
static void a_list(void **)
{
	struct owner *o = &owners[0];
	struct selection selection = {.all = all, .owner = o, .cuid = "a"};
	uint8_t *body;

	assert_int_equal(status_write_whole(&selection, &body), -ENOENT);
	take_many(o, STATUS_LIST_MAX);
	assert_in_range(status_write_whole(&selection, &body), STATUS_LIST_MAX, INT32_MAX);
	free(body);
	one_more(o, STATUS_LIST_MAX);
	assert_int_equal(status_write_whole(&selection, &body), -EMSGSIZE);
	selection.has_mid = true;
	selection.mid = STATUS_LIST_MAX;
	assert_in_range(status_write_whole(&selection, &body), 1, 1000);
	free(body);
	take_all = false;
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sums),
		CASE(one_leaves),
		CASE(changes),
		CASE(by_mid),
		CASE(a_round_in_steps),
		CASE(a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
