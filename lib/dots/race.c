// SPDX-License-Identifier: BSD-3-Clause

#include "dots/race.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"

#include <string.h>

// for a whole handshake
#define HANDSHAKE_TIME (10 * CLOCK_SECOND)

static bool same_candidate(const struct candidate *a, const struct candidate *b)
{
	return a->kind == b->kind && !ipaddr_compare(&a->addr, &b->addr);
}

static void add_candidate(struct race *race, const struct candidate *candidate)
{
	for (unsigned i = 0; i < race->candidates; i++) {
		if (same_candidate(&race->candidate[i], candidate))
			return;
	}
	if (race->candidates < RACE_CANDIDATES)
		race->candidate[race->candidates++] = *candidate;
}

// CH-12
void race_line_up(struct race *race, const enum transport_kind *kind, unsigned kinds,
	const struct ipaddr *addr, unsigned addrs, const struct candidate *first)
{
	static const uint8_t family[] = {6, 4};

	race->candidates = 0;
	for (unsigned i = 0; first && i < addrs; i++) {
		if (!ipaddr_compare(&addr[i], &first->addr))
			add_candidate(race, first);
	}
	for (unsigned k = 0; k < kinds; k++) {
		for (unsigned f = 0; f < ARRAY_LEN(family); f++) {
			for (unsigned i = 0; i < addrs; i++) {
				if (addr[i].family == family[f])
					add_candidate(race, &(struct candidate){kind[k], addr[i]});
			}
		}
	}
}

static void go_on(struct timer *timer);

static void log_failure(struct race *race, const struct candidate *c, const struct err *why)
{
	char text[IPADDR_TEXT];

	race->failures++;
	race->last_error = *why;
	log_warning("dots", "%s: no %s association with %s port %u: %s", race->name,
		attempt_kind_name(c->kind), ipaddr_format(&c->addr, text), race->port, why->text);
}

static void leave(struct race *race, const struct attempt *attempt)
{
	struct attempt **link = &race->attempts;

	while (*link != attempt)
		link = &(*link)->next;
	*link = attempt->next;
}

static void on_ready(struct attempt *attempt)
{
	struct race *race = attempt->ctx;

	leave(race, attempt);
	race_stop(race);
	race->won(race->ctx, attempt);
}

static void on_ended(struct attempt *attempt, const struct err *why)
{
	struct race *race = attempt->ctx;
	struct candidate c = {attempt->kind, attempt->addr};

	leave(race, attempt);
	log_failure(race, &c, why);
	// what is still under way may yet succeed, and the next waits for its turn
	if (!race->attempts)
		timer_set(race->loop, &race->timer, clock_now(), go_on);
}

// requests, resets and whatever else is heard come after `ready`
static const struct attempt_events attempt_events = {.ready = on_ready, .ended = on_ended};

static bool start_one(struct race *race, const struct candidate *c)
{
	struct dial dial = {
		.addr = c->addr,
		.port = race->port,
		.server_name = race->server_name,
		.timeout_ns = HANDSHAKE_TIME,
	};
	struct attempt *attempt;
	char text[IPADDR_TEXT];
	struct err err;

	log_debug("dots", "%s: dialling %s port %u over %s", race->name,
		ipaddr_format(&dial.addr, text), dial.port, attempt_kind_name(c->kind));
	attempt = attempt_start(
		race->loop, race->credentials, c->kind, &dial, &attempt_events, race, &err);
	if (!attempt) {
		log_failure(race, c, &err);
		return false;
	}
	attempt->next = race->attempts;
	race->attempts = attempt;
	return true;
}

static void go_on(struct timer *timer)
{
	struct race *race = CONTAINER_OF(timer, struct race, timer);

	while (race->next < race->candidates) {
		if (!start_one(race, &race->candidate[race->next++]))
			continue;
		if (race->next < race->candidates)
			timer_set(race->loop, &race->timer, clock_now() + race->delay, go_on);
		return;
	}
	if (!race->attempts)
		race->lost(race->ctx);
}

void race_start(struct race *race)
{
	race->next = 0;
	timer_set(race->loop, &race->timer, clock_now(), go_on);
}

void race_stop(struct race *race)
{
	struct attempt *next;

	timer_stop(race->loop, &race->timer);
	for (struct attempt *a = race->attempts; a; a = next) {
		next = a->next;
		attempt_close(a);
	}
	race->attempts = NULL;
}
