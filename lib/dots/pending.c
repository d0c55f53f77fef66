// SPDX-License-Identifier: BSD-3-Clause

#include "dots/pending.h"

#include "base/bits.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// a notification older than this is no measure of the order (RFC 7641 section 3.4)
#define FRESHNESS (128 * CLOCK_SECOND)

struct pending *pending_by_token(struct exchange *x, const uint8_t *token, uint8_t length)
{
	for (struct pending *p = x->pending; p; p = p->next) {
		if (p->token_length == length && !memcmp(p->token, token, length))
			return p;
	}
	return NULL;
}

struct pending *pending_by_id(struct exchange *x, uint16_t id)
{
	for (struct pending *p = x->pending; p; p = p->next) {
		if (p->id == id && p->sends)
			return p;
	}
	return NULL;
}

static void pending_link(struct exchange *x, struct pending *p)
{
	struct pending **link = &x->pending;

	while (*link)
		link = &(*link)->next;
	*link = p;
	x->pendings++;
}

static void pending_unlink(struct exchange *x, struct pending *p)
{
	struct pending **link = &x->pending;

	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	x->pendings--;
	timer_stop(x->loop, &p->timer);
}

// The exchange lifetime of one CON must end before the next begins: NSTART is 1 (RFC 7252
// section 4.7). NON requests are not held back by it: a mitigation request must go out while
// nothing comes in (RFC 9132 section 4.4).
static bool con_is_out(const struct exchange *x)
{
	for (const struct pending *p = x->pending; p; p = p->next) {
		if (p->confirmable && p->sends && !p->acked && !p->observing)
			return true;
	}
	return false;
}

static void pending_timeout(struct timer *timer);

static int pending_send(struct pending *p)
{
	struct exchange *x = p->exchange;
	uint64_t now = clock_now();
	uint64_t next = p->deadline;
	int rc;

	if (!p->confirmable && x->kind == TRANSPORT_DTLS) {
		p->id = x->next_id++;
		p->bytes[2] = (uint8_t)(p->id >> 8);
		p->bytes[3] = (uint8_t)p->id;
	}
	if (p->interval && now + p->interval < next)
		next = now + p->interval;
	rc = timer_set(x->loop, &p->timer, next, pending_timeout);
	if (rc < 0)
		return rc;
	p->last_sent = now;
	if (!p->sends++)
		p->first_sent = now;
	rc = transport_send(x->transport, p->bytes, p->length);
	// a full queue is a loss, and what is lost over DTLS will be sent again
	return rc == -EAGAIN && x->kind == TRANSPORT_DTLS ? 0 : rc;
}

static void send_next_con(struct exchange *x)
{
	struct pending *p = x->pending;

	while (p && (!p->confirmable || p->sends))
		p = p->next;
	if (p && !con_is_out(x) && pending_send(p) < 0)
		pending_end(p, ANSWER_NONE, NULL);
}

static void pending_tell(struct pending *p, enum answer_kind kind, const struct message *message)
{
	struct answer answer = {
		.kind = kind,
		.message = message,
		.first_sent = p->first_sent,
		.last_sent = p->last_sent,
		.received = clock_now(),
		.sends = p->sends,
	};

	p->call.fn(p->call.ctx, &answer);
}

void pending_end(struct pending *p, enum answer_kind kind, const struct message *message)
{
	struct exchange *x = p->exchange;
	bool was_con = p->confirmable;

	pending_unlink(x, p);
	pending_tell(p, kind, message);
	free(p);
	if (was_con)
		send_next_con(x);
}

static void pending_timeout(struct timer *timer)
{
	struct pending *p = CONTAINER_OF(timer, struct pending, timer);

	if (clock_now() >= p->deadline || !p->interval) {
		pending_end(p, ANSWER_NONE, NULL);
		return;
	}
	if (p->confirmable) {
		// RFC 7252 section 4.2: after the last retransmission one more, doubled, wait
		if (!p->retransmits_left--) {
			pending_end(p, ANSWER_NONE, NULL);
			return;
		}
		p->interval *= 2;
	}
	if (pending_send(p) < 0)
		pending_end(p, ANSWER_NONE, NULL);
}

static uint64_t first_interval(struct exchange *x, const struct pending *p)
{
	uint64_t low = x->timing.ack_timeout_ms * CLOCK_MS;
	uint32_t spread_ms;

	if (x->kind == TRANSPORT_TLS)
		return 0;
	if (!p->confirmable)
		return p->call.once ? 0 : EXCHANGE_PACE;
	// between ACK_TIMEOUT and ACK_TIMEOUT * ACK_RANDOM_FACTOR (RFC 7252 section 4.2)
	spread_ms = (uint32_t)((uint64_t)x->timing.ack_timeout_ms *
		(x->timing.ack_random_factor - 100) / 100);
	return low + rand_below(&x->random, spread_ms + 1) * CLOCK_MS;
}

static void choose_token(struct exchange *x, struct message *message)
{
	do {
		uint32_t token = x->next_token++;

		message->token_length = sizeof(token);
		memcpy(message->token, &token, sizeof(token));
	} while (pending_by_token(x, message->token, message->token_length));
}

int exchange_call(struct exchange *x, struct message *message, const struct call *call)
{
	uint8_t out[MESSAGE_MAX];
	size_t room = transport_room(x->transport);
	struct pending *p;
	int length, rc;

	if (message->token_length)
		exchange_forget(x, message->token, message->token_length);
	if (x->pendings >= EXCHANGE_CALLS)
		return -ENOBUFS;
	if (!message->token_length)
		choose_token(x, message);
	message->id = x->next_id;
	length = message_build(message, x->kind, out, room < sizeof(out) ? room : sizeof(out));
	if (length < 0)
		return length;
	p = calloc(1, sizeof(*p) + (size_t)length);
	if (!p)
		return -ENOMEM;
	p->exchange = x;
	p->call = *call;
	p->deadline = clock_now() + call->timeout_ns;
	p->confirmable = message->type == COAP_MESSAGE_CON && x->kind == TRANSPORT_DTLS;
	p->retransmits_left = x->timing.max_retransmit;
	p->interval = first_interval(x, p);
	p->wants_observe = message->observe == 0;
	p->token_length = message->token_length;
	memcpy(p->token, message->token, p->token_length);
	p->length = (size_t)length;
	memcpy(p->bytes, out, p->length);
	if (p->confirmable)
		p->id = x->next_id++;
	pending_link(x, p);
	// a CON that has to wait for another goes out by send_next_con()
	rc = p->confirmable && con_is_out(x)
		? timer_set(x->loop, &p->timer, p->deadline, pending_timeout)
		: pending_send(p);
	if (rc < 0) {
		pending_unlink(x, p);
		free(p);
	}
	return rc;
}

void exchange_forget(struct exchange *x, const uint8_t *token, uint8_t token_length)
{
	struct pending *p = pending_by_token(x, token, token_length);

	if (!p)
		return;
	pending_unlink(x, p);
	free(p);
}

// V2 is newer than V1 if it is ahead by less than half the circle, or if enough time has passed
// (RFC 7641 section 3.4). A stream keeps the order by itself (RFC 8323 section 7.1).
static bool is_newer(const struct pending *p, uint32_t value, uint64_t now)
{
	uint32_t v1 = p->observed, v2 = value;

	if (p->exchange->kind == TRANSPORT_TLS || now > p->observed_at + FRESHNESS)
		return true;
	return (v1 < v2 && v2 - v1 < 1u << 23) || (v1 > v2 && v1 - v2 > 1u << 23);
}

void pending_answered(struct pending *p, const struct message *m)
{
	uint64_t now = clock_now();
	bool first = !p->observing;

	// an answer without Observe, or an error, ends the observation (RFC 7641 section 4.2)
	if (!p->wants_observe || m->observe == MESSAGE_ABSENT ||
		COAP_RESPONSE_CLASS(m->code) != 2) {
		pending_end(p, first ? ANSWER_REPLY : ANSWER_NOTIFICATION, m);
		return;
	}
	if (!first && !is_newer(p, (uint32_t)m->observe, now))
		return;
	p->observing = true;
	p->observed = (uint32_t)m->observe;
	p->observed_at = now;
	timer_stop(p->exchange->loop, &p->timer);
	if (first && p->confirmable)
		send_next_con(p->exchange);
	pending_tell(p, first ? ANSWER_REPLY : ANSWER_NOTIFICATION, m);
}

void pending_acked(struct pending *p)
{
	p->acked = true;
	p->interval = 0;
	timer_set(p->exchange->loop, &p->timer, p->deadline, pending_timeout);
	send_next_con(p->exchange);
}

void pending_clear(struct exchange *x)
{
	struct pending *p;

	while ((p = x->pending)) {
		pending_unlink(x, p);
		free(p);
	}
}
