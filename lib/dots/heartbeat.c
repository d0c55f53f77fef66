// SPDX-License-Identifier: BSD-3-Clause

#include "dots/heartbeat.h"

#include "base/bits.h"
#include "base/clock.h"

#include <string.h>

static void beat(struct timer *timer);

static uint64_t interval_ns(const struct heartbeat *hb)
{
	return hb->interval * CLOCK_SECOND;
}

static void wait_for_next(struct heartbeat *hb)
{
	timer_stop(hb->loop, &hb->timer);
	if (hb->interval)
		timer_set(hb->loop, &hb->timer, clock_now() + interval_ns(hb), beat);
}

void heartbeat_start(struct heartbeat *hb, struct evloop *loop, struct exchange *exchange,
	bool call_home_server, void (*lost)(void *ctx), void *ctx)
{
	struct config_body config = config_default();

	*hb = (struct heartbeat){
		.loop = loop,
		.exchange = exchange,
		.call_home_server = call_home_server,
		.lost = lost,
		.ctx = ctx,
		.heard_at = clock_now(),
	};
	heartbeat_configure(hb, &config.idle);
}

void heartbeat_configure(struct heartbeat *hb, const struct config_set *set)
{
	int32_t interval = set->setting[SETTING_HEARTBEAT_INTERVAL].current;
	int32_t missing = set->setting[SETTING_MISSING_HB_ALLOWED].current;

	if (interval != SETTING_ABSENT)
		hb->interval = (uint32_t)interval;
	if (missing > 0)
		hb->missing_allowed = (uint32_t)missing;
	wait_for_next(hb);
}

void heartbeat_stop(struct heartbeat *hb)
{
	if (hb->loop)
		timer_stop(hb->loop, &hb->timer);
	*hb = (struct heartbeat){0};
}

void heartbeat_heard(struct heartbeat *hb)
{
	hb->heard_at = clock_now();
}

// CH-19: whether a heartbeat of the peer's came within the last two intervals
static bool hears_peer(const struct heartbeat *hb)
{
	return hb->peer_at && clock_now() - hb->peer_at <= 2 * interval_ns(hb);
}

static void answered(void *ctx, const struct answer *answer)
{
	struct heartbeat *hb = ctx;

	if (answer->kind != ANSWER_REPLY)
		return;
	hb->waiting = false;
	hb->missing = 0;
}

void heartbeat_send(struct heartbeat *hb)
{
	static const char *const path[] = {".well-known", "dots", "hb"};
	struct message m = message_make(COAP_REQUEST_PUT);
	// an answer may take the whole interval (RFC 9132 section 4.7)
	struct call call = {.timeout_ns = interval_ns(hb), .once = true, .fn = answered, .ctx = hb};
	uint8_t body[16];

	for (unsigned i = 0; i < ARRAY_LEN(path); i++)
		message_add_path(&m, path[i]);
	m.content_format = COAP_MEDIATYPE_APPLICATION_DOTS_CBOR;
	m.payload.data = body;
	m.payload.length = (size_t)codec_write_heartbeat(hears_peer(hb), body, sizeof(body));
	hb->waiting = true;
	hb->sent++;
	exchange_call(hb->exchange, &m, &call);
	wait_for_next(hb);
}

// CH-22, CH-23: missed heartbeats alone are no loss for the Call Home server, whose uplink may be
// full of the very attack; for the base channel's rule they are.
static bool is_lost(const struct heartbeat *hb)
{
	if (hb->missing < hb->missing_allowed)
		return false;
	return !hb->call_home_server ||
		clock_now() - hb->heard_at >= hb->missing_allowed * interval_ns(hb);
}

static void beat(struct timer *timer)
{
	struct heartbeat *hb = CONTAINER_OF(timer, struct heartbeat, timer);

	if (hb->waiting)
		hb->missing++;
	if (is_lost(hb))
		hb->lost(hb->ctx);
	else
		heartbeat_send(hb);
}

void heartbeat_request(struct heartbeat *hb, const struct message *request, struct reply *reply)
{
	struct err err;
	bool status;

	if (request->path_count != 3) { // CH-20: no cuid, cdid or mid (RFC 9132 section 4.7)
		reply_refuse(reply, 400, "nothing may follow /hb in the path");
		return;
	}
	if (request->code != COAP_REQUEST_PUT) {
		reply_refuse(reply, 405, "/hb takes PUT");
		return;
	}
	if (request->content_format != COAP_MEDIATYPE_APPLICATION_DOTS_CBOR) {
		reply_refuse(reply, 415, "Content-Format is not 271, application/dots+cbor");
		return;
	}
	if (codec_read_heartbeat(request->payload.data, request->payload.length, &status, &err) <
		0) {
		reply_refuse(reply, 400, "%s", err.text);
		return;
	}
	hb->peer_at = clock_now();
	hb->peer_status = status;
	hb->received++;
	reply->message = message_make(COAP_RESPONSE_CODE(204));
}
