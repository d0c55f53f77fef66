// SPDX-License-Identifier: BSD-3-Clause

#include "dots/home.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/configure.h"
#include "dots/errand.h"

#include <stdlib.h>
#include <string.h>

// for the peer's CSM, and for the answer to GET /config
#define GREETING_TIME (30 * CLOCK_SECOND)
// of a part of the configuration's lifetime after which it is asked for again, in tenths
#define CONFIG_TENTHS  8
#define CONFIG_MIN     (60 * CLOCK_SECOND)
#define CONFIG_FOREVER UINT32_MAX
#define CONFIG_DEFAULT 60 // seconds; RFC 7252 section 5.10.5

struct home *home_new(struct home_club *club, const char *name, const char *identity,
	const struct ipprefix *subscriber)
{
	struct home *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->club = club;
	h->subscriber = *subscriber;
	h->since = clock_now();
	h->config = config_default();
	// strictly increasing over restarts too (RFC 9132 section 4.4.1.1): there are fewer requests
	// than seconds
	h->next_mid = (uint32_t)(clock_unix_ms() / 1000);
	TAILQ_INIT(&h->orders);
	memcpy(h->cuid, club->cuid, strnlen(club->cuid, sizeof(h->cuid) - 1));
	h->name = strdup(name);
	h->identity = strdup(identity);
	if (h->name && h->identity)
		return h;
	home_free(h);
	return NULL;
}

static void set_state(struct home *h, enum home_state state)
{
	h->state = state;
	h->since = clock_now();
}

// The session is over, whoever ended it. What was sent is sent again in the next one.
static void leave(struct home *h)
{
	heartbeat_stop(&h->heartbeat);
	exchange_free(h->exchange);
	h->exchange = NULL;
	h->transport = NULL;
	h->config_at = 0;
	set_state(h, HOME_ABSENT);
	errands_interrupted(h);
}

void home_free(struct home *h)
{
	struct transport *transport;

	if (!h)
		return;
	transport = h->transport;
	leave(h);
	transport_close(transport);
	errands_drop(h);
	timer_stop(h->club->loop, &h->timer);
	free(h->identity);
	free(h->name);
	free(h);
}

static void ended(struct home *h, const struct err *why)
{
	bool was_ready = h->state == HOME_READY;

	h->last_error = *why;
	leave(h);
	if (was_ready)
		log_info("dots", "home %s: session ended: %s", h->name, why->text);
	errands_tell_all(h);
}

static void drop(struct home *h, const struct err *why)
{
	struct transport *transport = h->transport;

	ended(h, why);
	transport_close(transport);
}

void home_close(struct home *h, const struct err *why)
{
	if (h->transport)
		drop(h, why);
}

// ------------------------------------------------------------------ configuration

// CF-04: the set in force depends on whether there is a mitigation
static void use_config(struct home *h)
{
	configure(h->order_count ? &h->config.mitigating : &h->config.idle, h->exchange,
		&h->heartbeat);
}

void home_orders_changed(struct home *h)
{
	if (h->state == HOME_READY)
		use_config(h);
}

static void ready(struct home *h)
{
	if (h->state == HOME_READY)
		return;
	set_state(h, HOME_READY);
	h->sessions++;
	log_info("dots", "home %s: session up over %s", h->name,
		transport_kind(h->transport) == TRANSPORT_DTLS ? "DTLS" : "TLS");
	errands_wake(h);
}

static void take_config(struct home *h, const struct message *m)
{
	uint64_t seconds = m->max_age == MESSAGE_ABSENT ? CONFIG_DEFAULT : (uint64_t)m->max_age;
	struct config_body config;
	struct err err;

	if (m->code != COAP_RESPONSE_CODE(205) ||
		codec_read_config(m->payload.data, m->payload.length, false, &config, &err) < 0)
		return; // the defaults stay in force
	h->config = config;
	// CF-05
	if (seconds < CONFIG_FOREVER) {
		uint64_t wait = seconds * CLOCK_SECOND / 10 * CONFIG_TENTHS;

		h->config_at = clock_now() + (wait > CONFIG_MIN ? wait : CONFIG_MIN);
	}
}

static void config_answered(void *ctx, const struct answer *answer)
{
	struct home *h = ctx;

	if (answer->message)
		take_config(h, answer->message);
	use_config(h);
	// whatever came of it, the session can be used
	ready(h);
	home_schedule(h);
}

// CH-16: before anything else; CF-08: as a CON
static void ask_config(struct home *h)
{
	struct message m = message_make(COAP_REQUEST_GET);
	struct call call = {.timeout_ns = GREETING_TIME, .fn = config_answered, .ctx = h};

	m.type = COAP_MESSAGE_CON;
	message_add_path(&m, ".well-known");
	message_add_path(&m, "dots");
	message_add_path(&m, "config");
	h->config_at = 0;
	h->requests++;
	if (exchange_call(h->exchange, &m, &call) < 0)
		ready(h);
}

// ------------------------------------------------------------------ time

static void on_timer(struct timer *timer)
{
	struct home *h = CONTAINER_OF(timer, struct home, timer);
	struct err why;

	if (h->state == HOME_GREETING && !exchange_ready(h->exchange)) {
		err_set(&why, "the peer speaks TLS but no CoAP");
		drop(h, &why);
		return;
	}
	// CF-05: not while an attack is on
	if (h->config_at && h->config_at <= clock_now() && !h->order_count)
		ask_config(h);
	errands_due(h);
	home_schedule(h);
}

void home_schedule(struct home *h)
{
	uint64_t at = errands_next(h);

	if (h->state == HOME_GREETING)
		at = h->since + GREETING_TIME;
	else if (h->config_at && !h->order_count && h->config_at < at)
		at = h->config_at;
	if (at == UINT64_MAX)
		timer_stop(h->club->loop, &h->timer);
	else
		timer_set(h->club->loop, &h->timer, at, on_timer);
}

// ------------------------------------------------------------------ the session

// CH-21: while an attack fills the home's uplink its answers do not come through, and the session is
// needed more than ever (RFC 9066 section 5.2.1).
static void heartbeats_lost(void *ctx)
{
	struct home *h = ctx;
	struct err why;

	if (h->order_count) {
		heartbeat_send(&h->heartbeat);
		return;
	}
	err_set(&why, "%u heartbeats unanswered", h->heartbeat.missing);
	drop(h, &why);
}

static void on_request(void *ctx, const struct message *request, struct reply *reply)
{
	struct home *h = ctx;

	if (request->path_count >= 3 && request->path_count <= MESSAGE_PATH_MAX &&
		slice_is(&request->path[0], ".well-known") && slice_is(&request->path[1], "dots") &&
		slice_is(&request->path[2], "hb"))
		heartbeat_request(&h->heartbeat, request, reply);
	else
		reply_refuse(reply, 404, "a DOTS client has /hb alone");
}

static void on_reset(void *, const uint8_t *, uint8_t)
{
	// nobody observes a client
}

static void on_ready(void *ctx)
{
	ask_config(ctx);
}

static void on_ended(void *ctx, const struct err *why)
{
	drop(ctx, why);
}

static const struct exchange_events exchange_events = {on_request, on_reset, on_ready, on_ended};

static void on_up(void *ctx, struct transport *transport)
{
	struct home *h = ctx;
	struct transport *old = h->transport;
	struct err why;

	if (old) {
		// one session a home: the one it has dialled last
		err_set(&why, "replaced by a newer session");
		ended(h, &why);
		transport_close(old);
	}
	h->transport = transport;
	h->certificate_end = transport_peer(transport)->not_after;
	h->exchange = exchange_new(h->club->loop, transport, &exchange_events, h);
	if (!h->exchange) {
		err_set(&why, "out of memory");
		drop(h, &why);
		return;
	}
	set_state(h, HOME_GREETING);
	heartbeat_start(&h->heartbeat, h->club->loop, h->exchange, false, heartbeats_lost, h);
	home_schedule(h);
	if (exchange_ready(h->exchange))
		ask_config(h);
}

static void on_message(void *ctx, struct transport *transport, const uint8_t *data, size_t length)
{
	struct home *h = ctx;

	if (transport != h->transport)
		return;
	heartbeat_heard(&h->heartbeat);
	exchange_receive(h->exchange, data, length);
}

static void on_down(void *ctx, struct transport *transport, const struct err *why)
{
	struct home *h = ctx;

	if (transport == h->transport)
		ended(h, why);
}

const struct transport_events home_events = {on_up, on_message, on_down};
