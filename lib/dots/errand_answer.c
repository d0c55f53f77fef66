// SPDX-License-Identifier: BSD-3-Clause

// What a home's answers and notifications mean for the part of an order that they are about.

#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "dots/errand.h"

#include <string.h>

#define RENAMES_MAX 3
// A home that grants less is asked again no sooner (RFC 9132 section 4.4).
#define REFRESH_LEAST EXCHANGE_PACE

static void try_later(struct part *part, unsigned what, uint64_t ns)
{
	part->todo |= what;
	part->not_before = clock_now() + ns;
}

static void refuse(struct part *part, bool legitimate, const char *why, size_t length)
{
	struct home *h = part->order->home;

	part->state = ORDER_REFUSED;
	part->refresh_at = 0;
	part->todo &= ~(unsigned)(TODO_PUT | TODO_EFFICACY | TODO_OBSERVE);
	part->order->legitimate |= legitimate;
	// MR-34: said once, and not asked for again
	log_warning("dots", "home %s refuses mitigation %u: %.*s", h->name, part->mid, (int)length,
		why);
}

// The entry of a list that is about this mid.
static const struct mitigation_body *about(
	const struct part *part, const struct mitigation_body *bodies, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (bodies[i].has_mid && bodies[i].mid == part->mid)
			return &bodies[i];
	}
	return count == 1 && !bodies[0].has_mid ? &bodies[0] : NULL;
}

// A status of the home's: in the answer to an observation, or a notification.
static void take_status(struct part *part, const struct mitigation_body *body)
{
	static const char text[] = "it has ended the mitigation";

	part->status = body->status;
	if (body->has_dropped)
		part->dropped = body->dropped;
	switch (body->status) {
	case 0: // it does not say
	case STATUS_IN_PROGRESS:
		break;
	case STATUS_MITIGATED:
	case STATUS_STOPPED:
	case STATUS_EXCEEDED:
		part->state = ORDER_CONFIRMED;
		break;
	default:
		if (!part->order->withdrawn)
			refuse(part, body->conflict.cause == CAUSE_LEGITIMATE_TRAFFIC, text,
				sizeof(text) - 1);
		break;
	}
}

// The home has taken the request. With a status of 1 in the answer it does nothing yet: it asks for
// consent (RFC 9066 section 5.3.1), and a notification will tell.
static void take_grant(struct part *part, const struct mitigation_body *body)
{
	int64_t granted =
		body && body->has_lifetime ? body->lifetime : errand_lifetime(part->order);
	uint64_t now = clock_now();

	if (part->state == ORDER_QUEUED && !(body && body->status == STATUS_IN_PROGRESS))
		part->state = ORDER_CONFIRMED;
	part->renamed = 0;
	if (granted == LIFETIME_INDEFINITE) {
		part->expires = UINT64_MAX;
	} else {
		uint64_t wait = (uint64_t)granted * CLOCK_SECOND / 4 * 3;

		part->expires = now + (uint64_t)granted * CLOCK_SECOND;
		// MR-26: in time
		if (part->expires < part->order->ends)
			part->refresh_at = now + (wait > REFRESH_LEAST ? wait : REFRESH_LEAST);
	}
	if (!part->observing_length)
		part->todo |= TODO_OBSERVE;
}

// MR-30: another client has our cuid there, so all of this home's requests get a new one.
static void change_cuid(struct home *h)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct order *order;
	struct rand random;

	if (rand_seed(&random) < 0)
		return;
	for (unsigned i = 0; i < HOME_CUID - 1; i++)
		h->cuid[i] = digits[rand_below(&random, 64)];
	log_warning(
		"dots", "home %s: another client has our cuid, so it is %s now", h->name, h->cuid);
	TAILQ_FOREACH(order, &h->orders, linked)
	{
		for (unsigned i = 0; i < order->parts && !order->withdrawn; i++)
			if (order->part[i].state != ORDER_REFUSED)
				order->part[i].todo |= TODO_PUT;
	}
}

static void take_conflict(struct part *part, const struct mitigation_body *body)
{
	static const char unknown[] = "conflict", legitimate[] = "it calls the traffic legitimate";
	uint8_t cause = body ? body->conflict.cause : 0;

	if (cause == CAUSE_CUID_COLLISION && !part->renamed++) {
		part->sent = false;
		change_cuid(part->order->home);
		part->todo |= TODO_PUT;
	} else if (cause == CAUSE_OVERLAPPING_TARGETS && part->renamed++ < RENAMES_MAX) {
		// a request of ours that the home still has; the highest mid wins
		part->sent = false;
		part->todo |= TODO_PUT;
	} else if (cause == CAUSE_LEGITIMATE_TRAFFIC || cause == CAUSE_ACCEPT_LIST) {
		refuse(part, true, legitimate, sizeof(legitimate) - 1);
	} else {
		refuse(part, false, unknown, sizeof(unknown) - 1);
	}
}

static void put_answered(
	struct part *part, const struct message *m, const struct mitigation_body *body)
{
	unsigned class = COAP_RESPONSE_CLASS(m->code);
	struct home *h = part->order->home;

	if (class == 2) {
		take_grant(part, body);
		return;
	}
	h->refusals++;
	if (m->code == COAP_RESPONSE_CODE(409)) {
		take_conflict(part, body);
	} else if (class == 5) {
		// busy; an alternate server in it would be for us to ignore (CH-25, RFC 9066 section 5.2.2)
		try_later(part, TODO_PUT,
			m->max_age > 0 && m->max_age < ERRAND_LIFETIME
				? (uint64_t)m->max_age * CLOCK_SECOND
				: ERRAND_RETRY);
	} else {
		char code[5];

		log_info("dots", "home %s answers %s", h->name, code_format(m->code, code));
		refuse(part, false, (const char *)m->payload.data,
			m->payload.length < 200 ? m->payload.length : 200);
	}
}

// An observation that ends by an error: the home does not know the mitigation, which it should.
static void observe_answered(
	struct part *part, const struct message *m, const struct mitigation_body *body)
{
	if (COAP_RESPONSE_CLASS(m->code) == 2) {
		if (body)
			take_status(part, body);
		return;
	}
	if (m->code != COAP_RESPONSE_CODE(404) || part->order->withdrawn ||
		part->state == ORDER_REFUSED)
		return;
	part->state = ORDER_QUEUED;
	try_later(part, TODO_PUT, ERRAND_RETRY);
}

static void answered(struct part *part, unsigned what, const struct message *m)
{
	struct mitigation_body *bodies = NULL;
	const struct mitigation_body *body = NULL;
	unsigned count = 0;
	struct err err;

	if (m->content_format == COAP_MEDIATYPE_APPLICATION_DOTS_CBOR &&
		!codec_read_mitigations(
			m->payload.data, m->payload.length, false, &bodies, &count, &err))
		body = about(part, bodies, count);
	if (what == TODO_PUT)
		put_answered(part, m, body);
	else if (what == TODO_OBSERVE)
		observe_answered(part, m, body);
	mitigation_bodies_free(bodies, count);
}

// The answer is lost, or was a reset. Only what has to be heard is sent again: an efficacy update for
// a mitigation that the home does not know gets no answer at all (RFC 9132 section 4.4.3).
static void not_answered(struct part *part, unsigned what, enum answer_kind kind)
{
	if (what != TODO_EFFICACY && what != TODO_FORGET)
		try_later(part, what, kind == ANSWER_RESET ? ERRAND_RETRY : 0);
}

void errand_answered(void *ctx, const struct answer *answer)
{
	struct part *part = ctx;
	struct home *h = part->order->home;
	const struct message *m = answer->message;
	bool observed = m && m->observe != MESSAGE_ABSENT && COAP_RESPONSE_CLASS(m->code) == 2;
	unsigned what = TODO_OBSERVE;

	if (answer->kind != ANSWER_NOTIFICATION) {
		what = part->asked;
		part->asked = 0;
		h->in_flight--;
	}
	if (what == TODO_OBSERVE) {
		if (answer->kind != ANSWER_NOTIFICATION)
			memcpy(part->observing, part->token, sizeof(part->observing));
		part->observing_length = observed ? part->token_length : 0;
		if (!observed)
			part->todo &= ~(unsigned)TODO_FORGET;
	}
	if (m)
		answered(part, what, m);
	else
		not_answered(part, what, answer->kind);
	errand_tell(part->order);
	errands_wake(h);
	home_schedule(h);
}
