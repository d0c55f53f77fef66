// SPDX-License-Identifier: BSD-3-Clause

#include "dots/errand.h"

#include "base/bits.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// for the answer to a request, which is repeated until then
#define ANSWER_TIME (30 * CLOCK_SECOND)
// RFC 9132 section 4.4.1.1: three quarters of the numbers
#define MID_ROLLOVER 3221225471u
#define PUMP_PERIOD  (10 * CLOCK_MS)
#define PUMP_PAUSE   (100 * CLOCK_MS)

// ------------------------------------------------------------------ pace

static bool is_due(const struct part *part, uint64_t now)
{
	return part->todo && !part->asked && part->not_before <= now;
}

// The most urgent of what can be sent now; NULL if there is nothing.
static struct part *next_part(const struct home *h)
{
	uint64_t now = clock_now();
	struct part *best = NULL;
	struct order *order;

	TAILQ_FOREACH(order, &h->orders, linked)
	{
		for (unsigned i = 0; i < order->parts; i++) {
			struct part *part = &order->part[i];

			if (is_due(part, now) &&
				(!best || (part->todo & -part->todo) < (best->todo & -best->todo)))
				best = part;
		}
	}
	return best;
}

static bool can_send(const struct home *h)
{
	return h->state == HOME_READY && h->in_flight < HOME_IN_FLIGHT && next_part(h);
}

static void leave_queue(struct home *h)
{
	if (h->queued)
		TAILQ_REMOVE(&h->club->queue, h, in_queue);
	h->queued = false;
}

static void send_next(struct home *h);

// Homes take turns; all of them together send so many requests a second.
static void pump(struct timer *timer)
{
	struct home_club *club = CONTAINER_OF(timer, struct home_club, pump);
	uint64_t now = clock_now(), pause = now - club->pumped;
	struct home *h;

	// after a pause so many may go out at once
	club->due += (pause < PUMP_PAUSE ? pause : PUMP_PAUSE) * club->rate;
	if (club->due > PUMP_PAUSE * club->rate + CLOCK_SECOND)
		club->due = PUMP_PAUSE * club->rate + CLOCK_SECOND;
	club->pumped = now;
	while (club->due >= CLOCK_SECOND && (h = TAILQ_FIRST(&club->queue))) {
		leave_queue(h);
		if (can_send(h)) {
			club->due -= CLOCK_SECOND;
			send_next(h);
		}
		errands_wake(h);
	}
	if (!TAILQ_EMPTY(&club->queue))
		timer_set(club->loop, &club->pump, now + PUMP_PERIOD, pump);
}

void errands_wake(struct home *h)
{
	struct home_club *club = h->club;

	if (h->queued || !can_send(h))
		return;
	TAILQ_INSERT_TAIL(&club->queue, h, in_queue);
	h->queued = true;
	if (!timer_is_set(&club->pump))
		timer_set(club->loop, &club->pump, clock_now(), pump);
}

void home_club_stop(struct home_club *club)
{
	timer_stop(club->loop, &club->pump);
}

// ------------------------------------------------------------------ making requests

static bool others_are_sent(const struct home *h)
{
	struct order *order;

	TAILQ_FOREACH(order, &h->orders, linked)
	{
		for (unsigned i = 0; i < order->parts; i++) {
			if (order->part[i].sent)
				return true;
		}
	}
	return false;
}

// MR-27
static uint32_t take_mid(struct home *h)
{
	if (h->next_mid >= MID_ROLLOVER && !others_are_sent(h))
		h->next_mid = 0;
	return h->next_mid++;
}

uint32_t errand_lifetime(const struct order *order)
{
	uint64_t now = clock_now(), left;

	if (order->ends == UINT64_MAX)
		return ERRAND_LIFETIME;
	left = order->ends > now ? div_round_up(order->ends - now, CLOCK_SECOND) : 1;
	return left < ERRAND_LIFETIME ? (uint32_t)left : ERRAND_LIFETIME;
}

static void put_body(
	struct part *part, struct message *m, uint8_t *body, size_t room, bool efficacy)
{
	const struct order *order = part->order;
	uint32_t lifetime = errand_lifetime(order);
	int length = order_body(part, lifetime, efficacy ? order->attack_status : 0, body, room);

	m->code = COAP_REQUEST_PUT;
	m->content_format = COAP_MEDIATYPE_APPLICATION_DOTS_CBOR;
	m->payload = (struct slice){body, (size_t)length};
	if (order->hop_limit) // GW-03
		m->hop_limit = order->hop_limit;
	m->if_match = m->if_match_empty = efficacy; // MR-45
	part->sent = true;
	part->expires = clock_now() + lifetime * CLOCK_SECOND;
	part->refresh_at = 0;
}

static void send_next(struct home *h)
{
	struct part *part = next_part(h);
	unsigned what = part->todo & -part->todo;
	struct message m = message_make(COAP_REQUEST_GET);
	struct call call = {.timeout_ns = ANSWER_TIME, .fn = errand_answered, .ctx = part};
	char cuid[sizeof("cuid=") + HOME_CUID], mid[24];
	uint8_t body[ORDER_BODY_MAX];

	if (!part->sent && what == TODO_PUT)
		part->mid = take_mid(h);
	snprintf(cuid, sizeof(cuid), "cuid=%s", h->cuid);
	snprintf(mid, sizeof(mid), "mid=%u", part->mid);
	message_add_path(&m, ".well-known");
	message_add_path(&m, "dots");
	message_add_path(&m, "mitigate");
	message_add_path(&m, cuid); // GW-02, GW-04: our own, and never a cdid
	message_add_path(&m, mid);
	m.type = COAP_MESSAGE_NON;
	if (what == TODO_DELETE) {
		m.code = COAP_REQUEST_DELETE;
	} else if (what == TODO_OBSERVE) {
		m.observe = COAP_OBSERVE_ESTABLISH;
	} else if (what == TODO_FORGET) {
		m.observe = COAP_OBSERVE_CANCEL;
		m.token_length = part->observing_length;
		memcpy(m.token, part->observing, m.token_length);
		part->observing_length = 0;
	} else {
		put_body(part, &m, body, sizeof(body), what == TODO_EFFICACY);
	}
	if (exchange_call(h->exchange, &m, &call) < 0) {
		part->not_before = clock_now() + ERRAND_RETRY;
		home_schedule(h);
		return;
	}
	part->todo &= ~what;
	part->asked = what;
	part->token_length = m.token_length;
	memcpy(part->token, m.token, m.token_length);
	h->in_flight++;
	h->requests++;
	home_schedule(h);
}

void errand_tell(struct order *order)
{
	if (!order->withdrawn && order->changed)
		order->changed(order->ctx, order);
}

void errands_tell_all(struct home *h)
{
	struct order *order, *next;

	for (order = TAILQ_FIRST(&h->orders); order; order = next) {
		next = TAILQ_NEXT(order, linked);
		errand_tell(order);
	}
}

// ------------------------------------------------------------------ time

static void forget_calls(struct home *h, struct part *part)
{
	if (part->asked)
		h->in_flight--;
	if (part->asked && h->exchange)
		exchange_forget(h->exchange, part->token, part->token_length);
	if (part->observing_length && h->exchange)
		exchange_forget(h->exchange, part->observing, part->observing_length);
	part->asked = 0;
	part->observing_length = 0;
}

static void remove_order(struct home *h, struct order *order)
{
	for (unsigned i = 0; i < order->parts; i++)
		forget_calls(h, &order->part[i]);
	TAILQ_REMOVE(&h->orders, order, linked);
	order_free(order);
	if (!--h->order_count)
		home_orders_changed(h);
}

void errands_drop(struct home *h)
{
	struct order *order;

	leave_queue(h);
	while ((order = TAILQ_FIRST(&h->orders))) {
		// whoever wants it still has to let go now
		for (unsigned i = 0; i < order->parts; i++)
			order->part[i].state = ORDER_REFUSED;
		errand_tell(order);
		remove_order(h, order);
	}
}

void errands_interrupted(struct home *h)
{
	struct order *order;

	leave_queue(h);
	h->in_flight = 0;
	TAILQ_FOREACH(order, &h->orders, linked)
	{
		for (unsigned i = 0; i < order->parts; i++) {
			struct part *part = &order->part[i];

			part->asked = 0;
			part->observing_length = 0;
			part->not_before = 0;
			// OB-07: an observation ends with its session
			if (order->withdrawn)
				part->todo = part->sent ? TODO_DELETE : 0;
			else if (part->state != ORDER_REFUSED)
				part->todo = TODO_PUT;
		}
	}
	home_schedule(h);
}

// Nobody waits for a withdrawn part any more: the home has heard of it, or has let it go itself.
static bool is_over(const struct part *part, uint64_t now)
{
	return (!part->todo && !part->asked) || part->expires <= now;
}

static bool order_is_over(const struct order *order, uint64_t now)
{
	if (!order->withdrawn)
		return false;
	for (unsigned i = 0; i < order->parts; i++) {
		if (!is_over(&order->part[i], now))
			return false;
	}
	return true;
}

void errands_due(struct home *h)
{
	uint64_t now = clock_now();
	struct order *order, *next;

	for (order = TAILQ_FIRST(&h->orders); order; order = next) {
		next = TAILQ_NEXT(order, linked);
		if (order_is_over(order, now)) {
			remove_order(h, order);
			continue;
		}
		for (unsigned i = 0; i < order->parts && !order->withdrawn; i++) {
			struct part *part = &order->part[i];

			if (part->refresh_at && part->refresh_at <= now) {
				part->refresh_at = 0;
				part->todo |= TODO_PUT;
			}
		}
	}
	errands_wake(h);
}

uint64_t errands_next(const struct home *h)
{
	uint64_t now = clock_now(), next = UINT64_MAX;
	const struct order *order;

	TAILQ_FOREACH(order, &h->orders, linked)
	{
		if (order_is_over(order, now))
			return now;
		for (unsigned i = 0; i < order->parts; i++) {
			const struct part *part = &order->part[i];

			if (part->refresh_at && part->refresh_at < next)
				next = part->refresh_at;
			if (part->todo && part->not_before > now && part->not_before < next)
				next = part->not_before;
			if (order->withdrawn && part->expires > now && part->expires < next)
				next = part->expires;
		}
	}
	return next;
}

// ------------------------------------------------------------------ the maker's side

int home_order(struct home *h, struct order *order)
{
	if (h->order_count >= HOME_ORDERS)
		return -ENOBUFS;
	order->home = h;
	TAILQ_INSERT_TAIL(&h->orders, order, linked);
	if (!h->order_count++)
		home_orders_changed(h);
	errands_wake(h);
	return 0;
}

void home_reorder(struct order *order, uint64_t ends, uint8_t attack_status)
{
	bool said = attack_status && attack_status != order->attack_status;

	order->ends = ends;
	order->attack_status = attack_status;
	for (unsigned i = 0; i < order->parts; i++) {
		struct part *part = &order->part[i];

		if (part->state == ORDER_CONFIRMED && said)
			part->todo |= TODO_EFFICACY;
		// a longer lifetime takes a refresh before the end, and none if there was to be one
		if (part->state != ORDER_REFUSED && !part->refresh_at && part->sent &&
			part->expires < ends && part->expires != UINT64_MAX)
			part->todo |= TODO_PUT;
	}
	errands_wake(order->home);
	home_schedule(order->home);
}

void home_withdraw(struct order *order)
{
	struct home *h = order->home;

	order->withdrawn = true;
	order->changed = NULL;
	for (unsigned i = 0; i < order->parts; i++) {
		struct part *part = &order->part[i];

		part->refresh_at = 0;
		part->not_before = 0;
		part->todo = part->sent && part->state != ORDER_REFUSED ? TODO_DELETE : 0;
		if (part->observing_length)
			part->todo |= TODO_FORGET;
	}
	errands_wake(h);
	home_schedule(h);
}
