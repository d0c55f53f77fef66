// SPDX-License-Identifier: BSD-3-Clause

#include "dots/attempt.h"

#include "base/bits.h"
#include "base/clock.h"

#include <stdlib.h>

// for the peer's CSM, once the handshake is complete
#define CSM_TIME (10 * CLOCK_SECOND)

const char *attempt_kind_name(enum transport_kind kind)
{
	return kind == TRANSPORT_DTLS ? "DTLS" : "TLS";
}

static void attempt_free(struct attempt *a)
{
	timer_stop(a->loop, &a->csm);
	exchange_free(a->exchange);
	free(a);
}

// Ends it for a reason of our own.
static void give_up(struct attempt *a, const struct err *why)
{
	a->events->ended(a, why);
	attempt_close(a);
}

static void on_request(void *ctx, const struct message *request, struct reply *reply)
{
	struct attempt *a = ctx;

	a->events->request(a, request, reply);
}

static void on_reset(void *ctx, const uint8_t *token, uint8_t token_length)
{
	struct attempt *a = ctx;

	a->events->reset(a, token, token_length);
}

static void on_ready(void *ctx)
{
	struct attempt *a = ctx;

	timer_stop(a->loop, &a->csm);
	a->ready = true;
	a->events->ready(a);
}

static void on_ended(void *ctx, const struct err *why)
{
	give_up(ctx, why);
}

static const struct exchange_events exchange_events = {on_request, on_reset, on_ready, on_ended};

// TLS 1.3 calls the dialling side connected before the peer has judged its certificate.
static void no_csm(struct timer *timer)
{
	struct err why;

	err_set(&why, "the peer speaks TLS but no CoAP");
	give_up(CONTAINER_OF(timer, struct attempt, csm), &why);
}

static void on_up(void *ctx, struct transport *transport)
{
	struct attempt *a = ctx;
	struct err why;

	a->exchange = exchange_new(a->loop, transport, &exchange_events, a);
	if (!a->exchange) {
		err_set(&why, "out of memory");
		give_up(a, &why);
	} else if (exchange_ready(a->exchange)) {
		on_ready(a);
	} else {
		timer_set(a->loop, &a->csm, clock_now() + CSM_TIME, no_csm);
	}
}

static void on_message(void *ctx, struct transport *, const uint8_t *data, size_t length)
{
	struct attempt *a = ctx;

	if (a->ready)
		a->events->heard(a);
	exchange_receive(a->exchange, data, length);
}

static void on_down(void *ctx, struct transport *, const struct err *why)
{
	struct attempt *a = ctx;

	a->events->ended(a, why);
	attempt_free(a);
}

static const struct transport_events transport_events = {on_up, on_message, on_down};

struct attempt *attempt_start(struct evloop *loop, struct credentials *credentials,
	enum transport_kind kind, const struct dial *dial, const struct attempt_events *events,
	void *ctx, struct err *err)
{
	struct attempt *a = calloc(1, sizeof(*a));

	if (!a) {
		err_set(err, "out of memory");
		return NULL;
	}
	a->loop = loop;
	a->events = events;
	a->ctx = ctx;
	a->kind = kind;
	a->addr = dial->addr;
	a->transport = (kind == TRANSPORT_DTLS ? dtls_dial : tls_dial)(
		loop, credentials, dial, &transport_events, a, err);
	if (!a->transport) {
		free(a);
		return NULL;
	}
	return a;
}

void attempt_close(struct attempt *a)
{
	struct transport *transport;

	if (!a)
		return;
	// the message layer first, which may want to send nothing more
	transport = a->transport;
	attempt_free(a);
	transport_close(transport);
}
